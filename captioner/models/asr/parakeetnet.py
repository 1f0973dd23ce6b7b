"""Parakeet in torch: spectrogram, FastConformer encoder, and greedy decoding of a whole batch at a time.

The networks are transformers' (`ParakeetForTDT`, `ParakeetForRNNT`, `ParakeetForCTC`). Its `generate` gives no
probabilities, has no bound for one row (a row that stands still runs on until the whole batch is full), and waits for
the device at each step; so the search is here. The encoder runs in a precision of its own, all else in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from captioner.models.asr.tokenwords import Token
from captioner.models.fitting import memory_watched
from captioner.models.protocols import Samples
from captioner.types import SPEECH_RATE

LEAST = SPEECH_RATE // 10
"""Samples: anything shorter is padded."""
WIDTHS = SPEECH_RATE
"""Batches are this many samples wide, or a multiple: a GPU plans its transforms and kernels by size."""
GUARD = 2.0**-24
"""Added to the power before its logarithm, and ..."""
EPSILON = 1e-5
"""... to the deviation, as the models were trained with."""
LOOK = 16
"""Steps between two looks at whether all rows are done: each look waits for the device."""
FORCED = ((0, 1), (1, 3)) * 3 + ((0, 1), (1, 2))
"""For benches with made weights: blank or not, and frames, in turn. 100 tokens and 100 blanks in 30 s of 80 ms."""

Row = list[tuple[int, int, int, float]]
"""What one sound says: token, the frame where it begins, the one after it, log-probability."""


@dataclass(frozen=True, slots=True)
class Front:
    """How a model wants its spectrogram, as its feature extractor's settings say."""

    n_fft: int
    hop: int
    window: int
    preemphasis: float
    filters: Any
    """float32 (bands, n_fft // 2 + 1)."""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Front:
        """Of a feature extractor's settings, as its file has them. Not of transformers' own extractor, some releases of
        which want librosa for its filters."""
        import torch
        from transformers.audio_utils import mel_filter_bank

        rate, n_fft = settings.get("sampling_rate", SPEECH_RATE), settings.get("n_fft", 512)
        if rate != SPEECH_RATE:
            raise ValueError(f"it hears {rate} Hz")
        filters = mel_filter_bank(
            num_frequency_bins=n_fft // 2 + 1, num_mel_filters=settings.get("feature_size", 80), min_frequency=0.0,
            max_frequency=rate / 2, sampling_rate=rate, norm="slaney", mel_scale="slaney",
        )  # fmt: skip
        return cls(
            n_fft, settings.get("hop_length", 160), settings.get("win_length", 400),
            settings.get("preemphasis", 0.97) or 0.0, torch.from_numpy(filters.T.astype(np.float32)),
        )  # fmt: skip


class Net:
    """One loaded model on one device. `pieces`: the text of each token, "" for the model's own marks."""

    def __init__(self, model: Any, front: Front, pieces: Sequence[str], device: Any, precision: Any) -> None:
        self._model = model.eval().float().to(device)
        self._model.encoder.to(precision)
        self._front, self._pieces, self._device, self._precision = front, pieces, device, precision
        self._kind = str(model.config.model_type).removeprefix("parakeet_")
        self.frame = front.hop * model.config.encoder_config.subsampling_factor / SPEECH_RATE
        """Seconds of a frame of the encoder's."""
        self.forced = False
        """Whether tokens come as `FORCED` has it."""

    def __call__(self, sounds: Sequence[Samples]) -> list[list[Token]]:
        """What is said in each sound, float32 (n,) at 16 kHz. Raises OutOfMemory."""
        return self.told(self.heard(self.laid(sounds)))

    def laid(self, sounds: Sequence[Samples]) -> tuple[Any, list[int]]:
        """The sounds side by side, their highs raised, and how many samples each has; the device is not asked."""
        import torch

        sizes = [max(len(sound), LEAST) for sound in sounds]
        whole = np.zeros((len(sounds), -(-max(sizes) // WIDTHS) * WIDTHS), np.float32)
        for row, sound in zip(whole, sounds, strict=True):
            row[: len(sound)] = sound
            row[1 : len(sound)] -= self._front.preemphasis * sound[:-1]
        return torch.from_numpy(whole), sizes

    def heard(self, given: tuple[Any, list[int]]) -> list[Row]:
        """What is said in each of what was laid out. One thread at a time. Raises OutOfMemory."""
        import torch

        with memory_watched(f"hearing {len(given[1])} pieces"), torch.inference_mode():
            features, frames = self.spectra(*given)
            places = torch.arange(features.shape[1], device=self._device)
            mask = places < frames[:, None]
            heard = self._model.encoder(input_features=features.to(self._precision), attention_mask=mask)
            states, lengths = heard.last_hidden_state.float(), heard.attention_mask.sum(-1)
            return self._collapsed(states, lengths) if self._kind == "ctc" else self._transduced(states, lengths)

    def told(self, rows: Sequence[Row]) -> list[list[Token]]:
        """Rows as tokens with their text."""
        return [[Token(self._pieces[token], start, end, sure) for token, start, end, sure in row] for row in rows]

    def spectra(self, given: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
        """float32 (sounds, frames, bands), each band with mean 0 and deviation 1 over its sound's own frames and 0
        behind them; and how many frames each sound has."""
        import torch

        front = self._front
        taper = torch.hann_window(front.window, periodic=False, device=self._device)
        wave = torch.stft(
            given.to(self._device), front.n_fft, front.hop, front.window, taper, center=True, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        power = wave.real.square() + wave.imag.square()
        loud = torch.log(front.filters.to(self._device) @ power + GUARD).transpose(1, 2)
        frames = torch.tensor(sizes, device=self._device) // front.hop
        own = (torch.arange(loud.shape[1], device=self._device) < frames[:, None])[..., None]
        count = frames[:, None, None]
        mean = (loud * own).sum(1, keepdim=True) / count
        apart = (loud - mean) * own
        deviation = torch.sqrt(apart.square().sum(1, keepdim=True) / (count - 1))
        return apart / (deviation + EPSILON), frames

    def let_go(self) -> None:
        """Gives back what torch keeps for later batches."""
        import torch

        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _collapsed(self, states: Any, lengths: Any) -> list[Row]:
        """CTC: the best token of each frame, a run of one made one; as sure as its surest frame."""
        best, chosen = self._model.ctc_head(states).log_softmax(-1).max(-1)
        blank = self._model.config.pad_token_id
        rows: list[Row] = []
        for said, sure, length in zip(chosen.cpu().numpy(), best.cpu().numpy(), lengths.tolist(), strict=True):
            edges = [*np.flatnonzero(np.diff(said[:length], prepend=-1)).tolist(), length]
            runs = [(at, end) for at, end in pairwise(edges) if said[at] != blank]
            rows.append([(int(said[at]), at, end, float(sure[at:end].max())) for at, end in runs])
        return rows

    def _transduced(self, states: Any, lengths: Any) -> list[Row]:
        """TDT and RNN-T, greedily: every row has a place of its own in its sound and goes on by what it says there."""
        import torch

        config = self._model.config
        states = self._model.encoder_projector(states)
        search = _Search(self._model, states, lengths, self._kind == "tdt")
        steps: list[Any] = []
        # A row goes on by a frame after at most `max_symbols_per_step` steps.
        for step in range(states.shape[1] * config.max_symbols_per_step):
            if step % LOOK == 0 and not bool((search.place < lengths).any()):
                break
            steps.append(search(FORCED[step % len(FORCED)] if self.forced else None))
        if not steps:
            return [[] for _ in range(len(states))]
        said = torch.stack([torch.stack(row[:4]) for row in steps], -1).cpu().numpy()
        sure = torch.stack([row[4] for row in steps], -1).cpu().numpy()
        rows: list[Row] = []
        for row in range(len(states)):
            tokens, starts, ends, counts = said[:, row]
            own = np.flatnonzero(counts).tolist()
            rows.append([(int(tokens[at]), int(starts[at]), int(ends[at]), float(sure[row, at])) for at in own])
        return rows


class _Search:
    """Greedy decoding of a batch, one step a call: no step waits for the device."""

    def __init__(self, model: Any, states: Any, lengths: Any, timed: bool) -> None:
        import torch

        self._model, self._states, self._lengths = model, states, lengths
        config = model.config
        rows, device = len(states), states.device
        self._rows = torch.arange(rows, device=device)
        self._blank, self._most = config.blank_token_id, config.max_symbols_per_step
        self._durations = torch.tensor(config.durations, device=device) if timed else None
        self.place = torch.zeros(rows, dtype=torch.long, device=device)
        """Frame that each row is at."""
        self._here = torch.zeros_like(self.place)
        """Tokens that each row has said there."""
        # A transducer begins with its blank, which stands for nothing said yet.
        start = getattr(model.generation_config, "decoder_start_token_id", None)
        first = torch.full((rows, 1), self._blank if start is None else start, device=device)
        said, self._memory = model.decoder.lstm(model.decoder.embedding(first))
        self._said = model.decoder.decoder_projector(said[:, 0])

    def __call__(self, forced: tuple[int, int] | None = None) -> tuple[Any, Any, Any, Any, Any]:
        """The token of each row, the frame where it begins and the one after it, whether it counts (it is no blank, and
        the row is not done), and its log-probability."""
        import torch

        size = self._model.decoder.embedding.num_embeddings
        place = self.place
        now = self._states[self._rows, place.clamp(max=self._states.shape[1] - 1)]
        scores = self._model.joint(self._said, now)
        sure, token = scores[:, :size].log_softmax(-1).max(-1)
        blank = token == self._blank
        if forced is not None:
            blank = torch.full_like(blank, bool(forced[0]))
            token = torch.where(token == self._blank, 0, token)
        if self._durations is None:
            on = blank.long()
            length = torch.ones_like(on)  # it says where a token is, not how long
        else:
            on = length = self._durations[scores[:, size:].argmax(-1)]
        if forced is not None:
            on = length = torch.full_like(place, forced[1])
        counts = (place < self._lengths) & ~blank
        here = self._here + 1
        stuck = (on == 0) & (blank | (here >= self._most))
        on = torch.where(stuck, 1, on)
        self._here = torch.where(on > 0, 0, here)
        self.place = place + on
        self._remember(token, counts)
        return token, place, torch.minimum(place + length, self._lengths), counts, sure

    def _remember(self, token: Any, counts: Any) -> None:
        """The predictor hears what was said; blanks leave it as it is."""
        import torch

        said, (hidden, cell) = self._model.decoder.lstm(self._model.decoder.embedding(token[:, None]), self._memory)
        own = counts[:, None]
        self._said = torch.where(own, self._model.decoder.decoder_projector(said[:, 0]), self._said)
        self._memory = (torch.where(own, hidden, self._memory[0]), torch.where(own, cell, self._memory[1]))
