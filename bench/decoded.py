"""What `check --decoded` makes of real speech that was degraded in known ways: python -m bench.decoded [DATASET]

Stretches of 5 s of the sample dataset, speech over music and telephone included, each turned into what latents may
decode to, good and bad. Printed: how often each is called what, and the range of the numbers that decide.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from captioner.checks.decoded import kind_of, read_sound
from captioner.checks.likeness import likeness
from captioner.models.voice.mos import Opinion
from tests.degraded import Samples, faster, garbled, noise, through_aac, vocoded

SECONDS, STEP, RATE = 5.04, 10.6, 16000

CASES: dict[str, Callable[[Samples, Samples], Samples]] = {
    "AAC 48 kb/s": lambda sound, _: through_aac(sound),
    "AAC 16 kb/s": lambda sound, _: through_aac(sound, 16),
    "64 mel bands": lambda sound, _: vocoded(sound),
    "64 bands, smeared": lambda sound, _: vocoded(sound, blur=1.0),
    "20 dB quieter": lambda sound, _: (sound * 0.1).astype(np.float32),
    "1.19x": lambda sound, _: faster(sound, 1.19),
    "noise of its spectrum": lambda sound, _: noise(sound),
    "random bands": lambda sound, _: garbled(sound),
    "another stretch": lambda _, other: other,
}


def stretches(folder: Path) -> list[Samples]:
    """Every 5 s of every file with sound."""
    found = []
    with TemporaryDirectory() as scratch:
        for path in sorted(one for one in folder.rglob("*") if one.suffix in (".mp4", ".wav", ".mkv")):
            sound = read_sound(path, Path(scratch))
            starts = np.arange(0, len(sound) / RATE - SECONDS, STEP)
            found += [sound[int(at * RATE) : int((at + SECONDS) * RATE)] for at in starts]
    return found


def main(dataset: Path) -> None:
    sounds = stretches(dataset / "raw")
    opinion = Opinion(2)
    print(f"{len(sounds)} stretches of {SECONDS} s")
    print(f"{'':22} called; pattern, distance dB, level dB, tempo: lowest to highest")
    for name, make in CASES.items():
        kinds: Counter[str] = Counter()
        rows = []
        for number, sound in enumerate(sounds):
            made = make(sound, sounds[(number + len(sounds) // 2) % len(sounds)])
            found = likeness(sound, made)
            assert found is not None
            same = found.tempo != 1.0
            kinds["other tempo" if same else str(kind_of(found.pattern, opinion(made).speech))] += 1
            rows.append((found.pattern, found.distance, found.level, found.tempo))
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        spans = "  ".join(
            f"{low:.2f} to {high:.2f}" for low, high in zip(np.min(rows, 0), np.max(rows, 0), strict=True)
        )
        print(f"{name:22} {told}; {spans}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "sample_dataset"))
