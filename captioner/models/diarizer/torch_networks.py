"""The two networks of the embedded diarizer in torch: what many recordings ask goes to a GPU together.

Sound is uploaded once for a group of stretches, whose filter banks are then made on the device; what is embedded of
them goes through CAM++ in order of length, so that little is filled up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.diarizer import changes, windows
from captioner.models.diarizer.stretches import SYLLABLE, Stretch, Window, bank_frames, between, middle
from captioner.models.diarizer.torch_segmentation import FRONT, Segmentation
from captioner.models.diarizer.turnlets import CAP
from captioner.models.embedding import DIMENSIONS, MELS
from captioner.models.fitting import Room, fitted
from captioner.models.torch_campplus import FRAMES, HOP, Banks, CamPlus
from captioner.models.torch_layers import computing, put

TOGETHER = 256
"""Windows in one call: the LSTM takes as long for one."""
SOUND = 600 * windows.RATE
"""Samples of stretches whose filter banks are on the device at once: 1 GB while they are made."""
EMBEDDED = 64_000
"""Filter bank frames, those included that fill up, of stretches that are embedded in one call: 0.7 GB for each of a few
layers."""


class Networks:
    """segmentation-3.0 and CAM++ on one device. Raises OutOfMemory, ModelError where that fails."""

    def __init__(self, device: Any, together: int = TOGETHER) -> None:
        self._device = device
        self._segmentation = Segmentation(device)
        self._banks, self._voices = Banks(device), CamPlus(device)
        self._windows, self._sound, self._embedded = Room(together), Room(SOUND), Room(EMBEDDED)

    def warm(self) -> None:
        """Hears as much noise as fills its calls: a GPU loads its code then."""
        import torch

        with computing("noise"):
            noise = torch.randn(windows.WINDOW, device=self._device) / 10
            self._segmentation(noise.repeat(FRONT, 1)).cpu()
            rows = self._banks(noise, torch.arange(CAP, device=self._device) * HOP)
            for length in (changes.PROBE, changes.LONG, CAP):
                self._all_embedded(rows, [0] * (EMBEDDED // CAP), [length] * (EMBEDDED // CAP))

    def segment(self, asked: Sequence[Window]) -> Iterator[windows.Local]:
        first = 0
        while batch := asked[first : first + self._windows.most]:
            yield from fitted(self._segmented, batch, self._windows)
            first += len(batch)

    def search(self, asked: Sequence[Stretch]) -> Iterator[list[int]]:
        return self._grouped(self._searched, asked)

    def embed(self, asked: Sequence[Stretch]) -> Iterator[NDArray[np.float32]]:
        return self._grouped(self._heard, asked)

    def _segmented(self, batch: Sequence[Window]) -> list[windows.Local]:
        import torch

        sound, starts = gathered(batch)
        with computing(f"{len(batch)} windows of sound"):
            given = put(torch.from_numpy(sound), self._device).unfold(0, windows.WINDOW, 1)
            classes = self._segmentation(given[put(torch.from_numpy(starts), self._device)])
            return list(windows.sets(classes.to(torch.uint8).cpu().numpy()))

    def _grouped(self, call: Callable[[Sequence[Stretch]], list[Any]], asked: Sequence[Stretch]) -> Iterator[Any]:
        first = 0
        while first < len(asked):
            sizes = (stretch.samples for stretch in islice(asked, first, None))
            group = asked[first : first + _fit(accumulate(sizes), self._sound.most)]
            yield from fitted(call, group, self._sound, lambda stretch: stretch.samples)
            first += len(group)

    def _searched(self, group: Sequence[Stretch]) -> list[list[int]]:
        import torch

        sounds = [stretch.read() for stretch in group]
        alone = [stretch.alone(bank_frames(len(sound))) for stretch, sound in zip(group, sounds, strict=True)]
        with computing(f"filter banks of {len(group)} stretches"):
            rows = self._rows(sounds, [chosen for chosen, _ in alone])
            loudness = rows.mean(dim=1, dtype=torch.float64).cpu().numpy()
        firsts = [0, *accumulate(len(chosen) for chosen, _ in alone)]
        levels = [loudness[first : first + len(chosen)] for first, (chosen, _) in zip(firsts, alone, strict=False)]

        def embed(asked: list[tuple[int, changes.Stretch]]) -> NDArray[np.float32]:
            starts = [firsts[place] + start for place, (start, _) in asked]
            return self._all_embedded(rows, starts, [end - start for _, (start, end) in asked])

        found = changes.together([changes.search(level) for level in levels], embed)
        return [[int(frame) for frame in frames[places]] for (_, frames), places in zip(alone, found, strict=True)]

    def _heard(self, group: Sequence[Stretch]) -> list[NDArray[np.float32]]:
        vectors = np.zeros((len(group), DIMENSIONS), np.float32)
        sounds = [stretch.read() for stretch in group]
        alone = [stretch.alone(bank_frames(len(sound)))[0] for stretch, sound in zip(group, sounds, strict=True)]
        known = [place for place, chosen in enumerate(alone) if len(chosen) >= SYLLABLE]
        if known:
            chosen = [alone[place][middle(alone[place])] for place in known]
            with computing(f"filter banks of {len(known)} stretches"):
                rows = self._rows([sounds[place] for place in known], chosen)
            lengths = [len(own) for own in chosen]
            vectors[known] = self._all_embedded(rows, [0, *accumulate(lengths)][:-1], lengths)
        return list(vectors)

    def _rows(self, sounds: Sequence[NDArray[np.float32]], chosen: Sequence[NDArray[np.intp]]) -> Any:
        """Filter banks (sum of all chosen, MELS) of the chosen frames of each sound, on the device."""
        import torch

        if not any(map(len, chosen)):
            return torch.zeros(0, MELS, device=self._device)
        firsts = accumulate((len(sound) for sound in sounds), initial=0)
        starts = [first + own * HOP for first, own in zip(firsts, chosen, strict=False)]
        sound = put(torch.from_numpy(np.concatenate(sounds)), self._device)
        return self._banks(sound, put(torch.from_numpy(np.concatenate(starts)), self._device))

    def _all_embedded(self, rows: Any, starts: Sequence[int], lengths: Sequence[int]) -> NDArray[np.float32]:
        """Embeddings (n, DIMENSIONS) of stretches of filter banks, in order of length in as many calls as it takes."""

        def call(some: Sequence[int]) -> list[NDArray[np.float32]]:
            return list(self._voices.embed_at(rows, [starts[i] for i in some], [lengths[i] for i in some]))

        order = np.argsort(lengths, kind="stable").tolist()
        vectors = np.zeros((len(order), DIMENSIONS), np.float32)
        first = 0
        while first < len(order):
            # All of a call are filled up to the longest, which is the last.
            filled = (_filled(lengths[place]) for place in islice(order, first, None))
            totals = (count * size for count, size in enumerate(filled, 1))
            some = order[first : first + _fit(totals, self._embedded.most)]
            vectors[some] = fitted(call, some, self._embedded, lambda place: _filled(lengths[place]))
            first += len(some)
        return vectors


def gathered(batch: Sequence[Window]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sound in which each window lies, and the sample at which each begins there: what windows of one recording that
    follow each other share is read once. Silence is behind what is shorter than a window."""
    spans: list[tuple[Window, int]] = []
    """First window, and the sample at which the last one ends."""
    starts, size = [], 0
    for window in batch:
        end = window.start + windows.WINDOW
        more = end - spans[-1][1] if spans and spans[-1][0].audio is window.audio else -1
        if 0 <= more <= windows.WINDOW:
            spans[-1] = spans[-1][0], end
            size += more
        else:
            spans.append((window, end))
            size += windows.WINDOW
        starts.append(size - windows.WINDOW)
    sound, at = np.zeros(size, np.float32), 0
    for window, end in spans:
        read = between(window.audio, window.start, end)
        sound[at : at + len(read)] = read
        at += end - window.start
    return sound, np.array(starts, np.int64)


def _filled(length: int) -> int:
    """Frames to which a stretch is filled up."""
    return -(-length // FRAMES) * FRAMES


def _fit(totals: Iterable[int], most: int) -> int:
    """How many go into one call, by what one, two and so on take together; one at least."""
    return max(1, sum(1 for _ in takewhile(lambda total: total <= most, totals)))
