"""Whisper on torch: encoder, search and word times on one device, nothing copied but words.

The same contexts, prompts, search and guards as with CTranslate2, so that the same words come out within rounding.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from captioner.errors import OutOfMemory
from captioner.models.asr import whispertimes
from captioner.models.asr.engine import LOOP_TOKENS, SHORTEST, Aligned, Engine, Guess, Manner, Request
from captioner.models.asr.guards import Hearing
from captioner.models.asr.logmel import LogMel, put
from captioner.models.asr.packing import WINDOW, Piece, piece_context
from captioner.models.asr.whispernet import Net
from captioner.models.asr.whispersearch import Search
from captioner.models.fitting import memory_watched
from captioner.models.protocols import Samples
from captioner.times import Span
from captioner.types import SPEECH_RATE

WARM = 4.0
"""Seconds of noise that a GPU hears first."""


@dataclass(frozen=True, slots=True)
class State:
    """One piece's row of what the encoder made of a batch: (places, width), on the device."""

    batch: Any
    row: int
    made: Any = None
    """The event that the device reaches when the batch is there; None where it is there already."""


class Torched(Engine):
    """One device's Whisper. A GPU encodes one batch while it decodes another, each in a stream of its own: the encoder
    fills the card and the decoder waits for its memory. Other threads lay out sounds and make words meanwhile."""

    mixes = True

    def __init__(self, net: Net, mel: LogMel, tokenizer: Any, multilingual: bool, manner: Manner) -> None:
        super().__init__(tokenizer, multilingual, manner)
        self._net = net
        self._mel = mel
        self._encoding, self._decoding = threading.Lock(), threading.Lock()
        self._streams: dict[Any, Any] = {}
        if net.device.type == "cuda":
            import torch

            torch.cuda.synchronize(net.device)  # the weights went there in another stream
            self._streams = {
                self._encoding: torch.cuda.Stream(net.device),
                self._decoding: torch.cuda.Stream(net.device, priority=-1),
            }
        self._search = Search(net, self._encoding)
        marks = [(code, tokenizer.token_to_id(f"<|{code}|>")) for code in sorted(self.languages)]
        self._marks = [(code, mark) for code, mark in marks if mark is not None]

    @contextmanager
    def _alone_with(self, part: threading.Lock, what: str) -> Iterator[None]:
        """The encoder or the decoder for one thread. Where memory runs out, what is only kept for later goes."""
        try:
            with part, self._stream(part), memory_watched(what):
                yield
        except OutOfMemory:
            self._let_go()
            raise

    def _stream(self, part: threading.Lock) -> AbstractContextManager[Any]:
        if part not in self._streams:
            return nullcontext()
        import torch

        found: AbstractContextManager[Any] = torch.cuda.stream(self._streams[part])
        return found

    def _let_go(self) -> None:
        import torch

        if self._streams:
            torch.cuda.synchronize(self._net.device)
        with self._decoding:
            self._search.forget()
        if self._streams:
            torch.cuda.empty_cache()

    def warm(self) -> None:
        """Hears noise: a GPU loads its code at the first call, which is best done while there is nothing to hear."""
        noise = np.random.default_rng(0).normal(0, 0.05, round(SPEECH_RATE * WARM)).astype(np.float32)
        span = Span.at(0.0, WARM)
        piece = Piece(0, span, (span,))
        self.decode(self.encode([noise] * 2, piece_context(piece)), [piece] * 2, "en")

    def length(self, state: State) -> int:
        return int(state.batch.shape[1]) * 2

    def encode(self, sounds: Sequence[Samples], context: int) -> list[State]:
        import torch

        padded = [np.pad(s, (0, SHORTEST - len(s))) if len(s) < SHORTEST else s for s in sounds]
        laid = self._mel.laid(padded, context)
        made = None
        with self._alone_with(self._encoding, f"encoding {len(sounds)} pieces"), torch.inference_mode():
            batch = self._net.encode(self._mel.spectra(laid, context))
            if self._streams:
                made = torch.cuda.Event()
                made.record()
        return [State(batch, row, made) for row in range(len(sounds))]

    def detect(self, states: Sequence[State]) -> list[dict[str, float]]:
        start = self.tokenizer("en").sot
        _awaited(states)
        with self._alone_with(self._decoding, f"detecting the language of {len(states)} pieces"):
            found = self._search.detect(*_together(states), start, [mark for _, mark in self._marks])
        return [
            {code: float(share) for (code, _), share in zip(self._marks, row, strict=True)} for row in found.tolist()
        ]

    @property
    def tells(self) -> bool:
        """See `Ear`. What goes before the start mark would change the language that is heard after it."""
        return not (self._manner.hotwords or self._manner.verbatim)

    def spoken(self, guess: Guess) -> Mapping[str, float]:
        return {code: share for (code, _), share in zip(self._marks, guess.languages, strict=bool(guess.languages))}

    def generate(self, states: Sequence[State], request: Request) -> list[Guess]:
        if self.tells:
            request = replace(request, languages=tuple(mark for _, mark in self._marks))
        _awaited(states)
        with self._alone_with(self._decoding, f"decoding {len(states)} pieces"):
            return self._search(*_together(states), request)

    def align(self, states: Sequence[State], start: Sequence[int], tokens: Sequence[list[int]], frames: Sequence[int],
              request: Request) -> list[Aligned]:  # fmt: skip
        halves = [max(1, frame // 2) for frame in frames]
        marks = (request.prompt[-1], request.end)
        _awaited(states)
        with self._alone_with(self._decoding, f"aligning {len(states)} pieces"):
            reached, sure = whispertimes.attended(self._net, *_together(states), start, marks, tokens, halves)
        return whispertimes.aligned(reached, sure, tokens)

    def alone(self, sounds: Sequence[Samples], own: Sequence[Piece], language: str) -> list[Hearing]:
        """Each piece in a full window of its own, where no five tokens may come twice, and without hot words: they are
        one of the reasons for which a piece is heard again."""
        return self.decode(self.encode(sounds, WINDOW), own, language, no_repeat=LOOP_TOKENS)


def _awaited(states: Sequence[State]) -> None:
    """Until the states are there. Outside of the decoder's lock: another thread decodes what is there already.

    Nothing reads them once a call has come back with its answer, so that their memory may go to the next batch.
    """
    for made in {id(state.made): state.made for state in states if state.made is not None}.values():
        made.synchronize()


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
        at = 0
        while at < len(states):  # rows that stand together in their batch go together
            batch, row = states[at].batch, states[at].row
            end = at + 1
            while end < len(states) and states[end].batch is batch and states[end].row == row + end - at:
                end += 1
            whole[at:end, : places[at]] = batch[row : row + end - at]
            at = end
        own = None if min(places) == max(places) else put(places, first.device)
    return whole, own
