"""How well is it told who speaks when, how fast and in how much memory?

    python bench/diarization.py DATA [--diarizer NAME] [--threads N] [--speakers N] [--tile SECONDS] [--json FILE]

DATA has a `manifest.json` (`sample_dataset` is one). Its items with an `rttm` are diarized, one after the other, and of
each is printed: DER by pyannote.metrics over the whole file, without a collar and with overlap counted, with missed
speech, false alarm and confusion apart; speakers found of those there are; seconds of work a second of audio; and peak
memory of the process so far. Where an RTTM says only who is seen in which part (`*.clips.rttm`), only confusion counts.

--tile plays the first item over and over for so many seconds instead: time and memory of long recordings. DER is not
scored there.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from captioner.formats import rttm
from captioner.media.pcm import Samples16k
from captioner.models.protocols import Diarizer, SpeakerHint, Waveform
from captioner.models.registry import backend_module, make_options
from captioner.types import Diarization, Turn

RATE = 16_000


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    seconds: float
    speakers: int
    wanted: int | None
    der: float | None
    missed: float | None
    false_alarm: float | None
    confusion: float | None
    pace: float
    """Seconds of work a second of audio."""
    memory: int
    """MiB, peak of the process so far."""


class Tiled:
    """Samples played over and over for `duration` seconds, without holding them."""

    def __init__(self, samples: NDArray[np.float32], duration: float) -> None:
        self._samples, self.duration, self.name = samples, duration, "tiled"

    def read(self, start: float, end: float) -> NDArray[np.float32]:
        last = round(self.duration * RATE)
        places = np.arange(max(0, min(round(start * RATE), last)), max(0, min(round(end * RATE), last)))
        return self._samples[places % len(self._samples)]


def decoded(path: Path) -> NDArray[np.float32]:
    """The sound of a file, float32 (n,), 16 kHz mono, by PyAV alone."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as media:
        frames = [frame for whole in [*media.decode(audio=0), None] for frame in resampler.resample(whole)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.float32)


def scored(truth: list[Turn], found: Diarization, seconds: float) -> dict[str, float]:
    """Seconds of each error, and of the truth's speech."""
    from pyannote.core import Annotation, Segment, Timeline  # type: ignore[import-untyped]
    from pyannote.metrics.diarization import DiarizationErrorRate

    sides = []
    for turns in (truth, found.turns):
        side = Annotation()
        for index, turn in enumerate(turns):
            side[Segment(turn.span.start, turn.span.end), index] = turn.speaker
        sides.append(side)
    whole = Timeline([Segment(0, seconds)])
    result = DiarizationErrorRate(collar=0.0, skip_overlap=False)(sides[0], sides[1], uem=whole, detailed=True)
    return {str(name): float(value) for name, value in result.items()}


def run(diarizer: Diarizer, audio: Waveform, name: str, truth: list[Turn] | None, hint: SpeakerHint) -> Row:
    began = time.perf_counter()
    found = diarizer.diarize([audio], hint)[0]
    pace = (time.perf_counter() - began) / max(audio.duration, 1e-9)
    der = missed = false_alarm = confusion = None
    if truth:
        errors = scored(truth, found, audio.duration)
        confusion = errors["confusion"] / errors["total"]
        if not name.endswith(".clips.rttm"):
            missed, false_alarm = errors["missed detection"] / errors["total"], errors["false alarm"] / errors["total"]
            der = missed + false_alarm + confusion
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    speakers = len({turn.speaker for turn in found.turns})
    wanted = len({turn.speaker for turn in truth}) if truth else None
    return Row(name, audio.duration, speakers, wanted, der, missed, false_alarm, confusion, pace, memory)


def told(row: Row) -> str:
    rates = " ".join(
        f"{'-' if rate is None else f'{100 * rate:.1f}':>7}"
        for rate in (row.der, row.missed, row.false_alarm, row.confusion)
    )
    people = f"{row.speakers}/{row.wanted or '?'}"
    return f"{row.name[-40:]:40} {row.seconds:8.1f} {rates} {people:>8} {row.pace:8.3f} {row.memory:6d}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--diarizer", default="embedded")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--speakers", type=int)
    parser.add_argument("--tile", type=float)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    module = backend_module("diarizer", asked.diarizer)
    diarizer = module.load(make_options(module, {"threads": asked.threads}, "diarizer"))
    hint = SpeakerHint(asked.speakers, asked.speakers) if asked.speakers else SpeakerHint()
    items: list[dict[str, Any]] = json.loads((asked.data / "manifest.json").read_text(encoding="utf-8"))["items"]
    items = [item for item in items if item.get("rttm")]
    print(f"{'file':40} {'seconds':>8} {'DER %':>7} {'missed':>7} {'false':>7} {'conf.':>7} speakers   s/s    MiB")
    rows = []
    for item in items:
        if asked.tile:
            row = run(diarizer, Tiled(decoded(asked.data / item["file"]), asked.tile), item["file"], None, hint)
        else:
            turns = rttm.parse((asked.data / item["rttm"]).read_text(encoding="utf-8"), item["rttm"])
            truth = [turn for own in turns.values() for turn in own]
            name = item["rttm"] if item["rttm"].endswith(".clips.rttm") else item["file"]
            row = run(diarizer, Samples16k(decoded(asked.data / item["file"])), name, truth, hint)
        rows.append(row)
        print(told(row), flush=True)
        if asked.tile:
            break
    if asked.json:
        asked.json.write_text(json.dumps([{k: getattr(r, k) for k in Row.__slots__} for r in rows], indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
