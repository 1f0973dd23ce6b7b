"""How far from the truth are the times of the words, as the transcriber gives them and as an aligner does?

    python bench/word_times.py DATA [DATA ...] [--aligner NAME] [--set NAME=VALUE ...] [--json FILE]

DATA has a `manifest.json` with items that have word times. Each is transcribed; heard words that stand in the truth
(longest common runs, case and punctuation aside) are compared with it: bias is the median of heard minus true, the rest
is of absolute errors, milliseconds. `placed` says how many of the words the aligner found a place for, and `held` is
what becomes of each kind of times in the planner's hands, against what is heard. Ends are less telling than starts:
annotated words often reach over the pause behind them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from quality import options_of
from quality_run import sound_of
from quality_score import Spoken
from quality_truth import Truth, load

from captioner.backends import choose_backends
from captioner.models.protocols import Listening, Saying
from captioner.run import settings_of
from captioner.speech.correct import correct
from captioner.speech.regions import speech_regions
from captioner.speech.retime import retimed
from captioner.types import SPEECH_RATE, Word

Pairs = list[tuple[float, float]]
"""Errors of start and end of each word, seconds."""


@dataclass
class Sound:
    samples: NDArray[np.float32]

    @property
    def duration(self) -> float:
        return len(self.samples) / SPEECH_RATE

    def read(self, start: float, end: float) -> NDArray[np.float32]:
        return self.samples[max(0, round(start * SPEECH_RATE)) : max(0, round(end * SPEECH_RATE))]


def plain(text: str) -> str:
    return re.sub(r"[^\w']", "", text.lower())


def errors(truth: Sequence[Spoken], words: Sequence[Word]) -> Pairs:
    matcher = SequenceMatcher(None, [plain(w.text) for w in truth], [plain(w.text) for w in words], autojunk=False)
    return [
        (words[j + k].span.start - truth[i + k].start, words[j + k].span.end - truth[i + k].end)
        for i, j, size in matcher.get_matching_blocks()
        for k in range(size)
    ]


def row(pairs: Pairs) -> dict[str, dict[str, float]]:
    found = {}
    for name, values in zip(("start", "end"), np.array(pairs).T * 1000, strict=True):
        off = np.abs(values)
        found[name] = {
            "bias": float(np.median(values)), "mean": float(off.mean()), "median": float(np.median(off)),
            "p90": float(np.percentile(off, 90)),
        }  # fmt: skip
    return found


def measure(truths: Sequence[Truth], options: dict[str, Any]) -> dict[str, Any]:
    backends = choose_backends(settings_of(options))
    sounds = [Sound(sound_of(truth.path)) for truth in truths]
    heard = backends["vad"].load().listen(sounds)
    asked = [Listening(s, speech_regions(a), t.language) for s, a, t in zip(sounds, heard, truths, strict=True)]
    said = backends["asr"].load().transcribe(asked)
    ways = {"transcriber": said}
    report: dict[str, Any] = {}
    if "aligner" in backends:
        aligner = backends["aligner"].load()
        begin = time.perf_counter()
        spans = aligner.align([Saying(s, t.words, t.language) for s, t in zip(sounds, said, strict=True)])
        took = time.perf_counter() - begin
        ways["aligner"] = [retimed(t, own, s.duration) for t, own, s in zip(said, spans, sounds, strict=True)]
        report["placed"] = f"{sum(s is not None for own in spans for s in own)} of {sum(map(len, spans))}"
        report["speed"] = round(sum(sound.duration for sound in sounds) / took, 1)
    for way, transcripts in ways.items():
        pairs: dict[str, Pairs] = {way: [], f"{way}, held": []}
        for truth, transcript, activity in zip(truths, transcripts, heard, strict=True):
            pairs[way] += errors(truth.words or [], transcript.words)
            pairs[f"{way}, held"] += errors(truth.words or [], correct(transcript.words, activity))
        report |= {name: {"words": len(own)} | row(own) for name, own in pairs.items()}
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--aligner", default="none")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the build")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    truths = [truth for folder in given.data for truth in load(folder) if truth.words]
    report = measure(truths, options_of(given.set) | {"aligner": given.aligner})
    for name, values in report.items():
        if not isinstance(values, dict):
            print(f"{name}: {values}")
            continue
        told = (
            f"{edge} {own['bias']:+5.0f} mean {own['mean']:4.0f} median {own['median']:4.0f} p90 {own['p90']:4.0f}"
            for edge, own in values.items()
            if edge != "words"
        )
        print(f"{name:18} {values['words']:4} words   {'   '.join(told)}")
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
