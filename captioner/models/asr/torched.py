"""Whisper on torch: encoder, search and word times on one device, nothing copied but words.

The same contexts, prompts, search and guards as with CTranslate2, so that the same words come out within rounding.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.errors import OutOfMemory
from captioner.models.asr import whispertimes
from captioner.models.asr.engine import LOOP_TOKENS, SHORTEST, Aligned, Engine, Guess, Manner, Request
from captioner.models.asr.guards import Hearing
from captioner.models.asr.logmel import LogMel
from captioner.models.asr.packing import WINDOW, Piece
from captioner.models.asr.whispernet import Net
from captioner.models.asr.whispersearch import Search
from captioner.models.fitting import memory_watched
from captioner.models.protocols import Samples


@dataclass(frozen=True, slots=True)
class State:
    """One piece's row of what the encoder made of a batch: (places, width), on the device."""

    batch: Any
    row: int


class Torched(Engine):
    """One device's Whisper. The device does one thing at a time; other threads make words of the last meanwhile."""

    mixes = True

    def __init__(self, net: Net, mel: LogMel, tokenizer: Any, multilingual: bool, manner: Manner) -> None:
        super().__init__(tokenizer, multilingual, manner)
        self._net = net
        self._mel = mel
        self._search = Search(net)
        self._lock = threading.Lock()
        marks = [(code, tokenizer.token_to_id(f"<|{code}|>")) for code in sorted(self.languages)]
        self._marks = [(code, mark) for code, mark in marks if mark is not None]

    @contextmanager
    def _alone_with(self, what: str) -> Iterator[None]:
        """The device for one thread. Where memory runs out, everything that is only kept for later goes."""
        with self._lock:
            try:
                with memory_watched(what):
                    yield
            except OutOfMemory:
                import torch

                self._search.forget()
                if self._net.device.type == "cuda":
                    torch.cuda.empty_cache()
                raise

    def length(self, state: State) -> int:
        return int(state.batch.shape[1]) * 2

    def encode(self, sounds: Sequence[Samples], context: int) -> list[State]:
        import torch

        padded = [np.pad(sound, (0, max(0, SHORTEST - len(sound)))) for sound in sounds]
        with self._alone_with(f"encoding {len(sounds)} pieces"), torch.inference_mode():
            batch = self._net.encode(self._mel(padded, context))
        return [State(batch, row) for row in range(len(sounds))]

    def detect(self, states: Sequence[State]) -> list[dict[str, float]]:
        start = self.tokenizer("en").sot
        with self._alone_with(f"detecting the language of {len(states)} pieces"):
            found = self._search.detect(*_together(states), start, [mark for _, mark in self._marks])
        return [
            {code: float(share) for (code, _), share in zip(self._marks, row, strict=True)} for row in found.tolist()
        ]

    def generate(self, states: Sequence[State], request: Request) -> list[Guess]:
        with self._alone_with(f"decoding {len(states)} pieces"):
            return self._search(*_together(states), request)

    def align(self, states: Sequence[State], start: Sequence[int], tokens: Sequence[list[int]], frames: Sequence[int],
              request: Request) -> list[Aligned]:  # fmt: skip
        halves = [max(1, frame // 2) for frame in frames]
        marks = (request.prompt[-1], request.end)
        with self._alone_with(f"aligning {len(states)} pieces"):
            reached, sure = whispertimes.attended(self._net, *_together(states), start, marks, tokens, halves)
        return whispertimes.aligned(reached, sure, tokens)

    def alone(self, sound: Samples, piece: Piece, language: str) -> Hearing:
        """One piece in a full window of its own, where no five tokens may come twice, and without hot words: they are
        one of the reasons for which a piece is heard again."""
        (hearing,) = self.decode(self.encode([sound], WINDOW), [piece], language, no_repeat=LOOP_TOKENS)
        return hearing


def _together(states: Sequence[State]) -> tuple[Any, Any]:
    """(rows, places, width) and the places of each row that count, None for all; shorter ones are filled up.

    The batch itself where the states are all of it, in order.
    """
    import torch

    first = states[0].batch
    if len(states) == len(first) and all(s.batch is first and s.row == row for row, s in enumerate(states)):
        return first, None
    places = [state.batch.shape[1] for state in states]
    with torch.inference_mode():
        whole = first.new_zeros((len(states), max(places), first.shape[2]))
        for row, (state, count) in enumerate(zip(states, places, strict=True)):
            whole[row, :count] = state.batch[state.row]
        own = None if min(places) == max(places) else torch.tensor(places, device=first.device)
    return whole, own
