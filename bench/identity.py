"""Does a voice keep one name over many recordings, and is a cut with two voices found?

    python bench/identity.py DATA [DATA ...] [--voices FOLDER] [--recordings 60] [--cuts 400] [--seed 0] [--scale]

DATA has a `manifest.json` (`sample_dataset` is one); its items with an `rttm` say whose voice is heard when. FOLDER
adds speakers: `<speaker>/<any sound files>`. Everything is composed of speech that nobody else talks over:

identity   pseudo-recordings of one to three speakers with 2 to 20 s each, every recording with a room, noise, level and
           tone of its own. Printed: purity (share of the speech whose cluster's main speaker is right), coverage (share
           of a speaker's speech that lies in its largest cluster), speakers found of those there are, at several
           strictnesses; then how many voices are renamed when the recordings come in four batches (must be none).
purity     cuts of 1.6 to 5 s of one speaker, and the same with 20 to 50 % of another at one end, compared as a build
           compares them. Printed: which share of the mixed ones is doubted, and of the pure ones.
--scale    seconds and memory for 10,000 made-up voices of 1,000 people in 5,000 recordings.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from captioner.formats import rttm
from captioner.models.embedding import Embedder, banks
from captioner.models.voice.voiceprint import packed, voiceprint
from captioner.speech.identity import IdentityRules, LocalVoice, cluster
from captioner.speech.people import People
from captioner.speech.purity import Speaker, compared, purity_doubts
from captioner.speech.roster import Entry, Roster, anchor_of, assign
from captioner.times import Span
from captioner.types import Cut, Line, Word

RATE = 16_000
Sound = NDArray[np.float32]
LONGEST = 60.0
"""Seconds of one speaker that are used."""


def decoded(path: Path) -> Sound:
    """float32 (n,), 16 kHz mono, by PyAV alone."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as media:
        frames = [frame for whole in [*media.decode(audio=0), None] for frame in resampler.resample(whole)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.float32)


def speakers_in(data: Sequence[Path], voices: Path | None) -> dict[str, Sound]:
    """Each speaker's speech that nobody talks over, one stretch after the other."""
    found: dict[str, list[Sound]] = defaultdict(list)
    for folder in data:
        for item in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]:
            if not item.get("rttm"):
                continue
            sound = decoded(folder / item["file"])
            for turns in rttm.parse((folder / item["rttm"]).read_text(encoding="utf-8"), item["rttm"]).values():
                for turn in turns:
                    alone = not any(o.speaker != turn.speaker and o.span.overlap(turn.span) > 0 for o in turns)
                    if alone and turn.span.duration >= 0.5:
                        found[turn.speaker].append(sound[round(turn.span.start * RATE) : round(turn.span.end * RATE)])
    for folder in sorted(voices.iterdir()) if voices else ():
        found[folder.name] += [decoded(path) for path in sorted(folder.iterdir())]
    whole = {name: np.concatenate(parts)[: round(LONGEST * RATE)] for name, parts in found.items()}
    return {name: sound for name, sound in sorted(whole.items()) if len(sound) >= 4 * RATE}


def room(sound: Sound, seed: int) -> Sound:
    """The sound in a room of its own: reverberation, tone, noise and level."""
    rng = np.random.default_rng(seed)
    length = round(RATE * rng.uniform(0.1, 0.4))
    tail = rng.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= 10 ** (-rng.uniform(6, 20) / 20) / np.linalg.norm(tail)
    size = len(sound) + length
    wet = np.fft.irfft(np.fft.rfft(sound, size) * (1 + np.fft.rfft(tail, size)), size)[: len(sound)]
    spectrum = np.fft.rfft(wet)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(wet), 1 / RATE), 60.0) / 1000)
    wet = np.fft.irfft(spectrum * 10 ** (rng.uniform(-2, 2) * octaves / 20), len(wet))
    noise = rng.normal(size=len(wet)) * np.sqrt(np.mean(wet**2)) * 10 ** (-rng.uniform(15, 40) / 20)
    return np.asarray((wet + noise) * 10 ** (rng.uniform(-9, 3) / 20), np.float32)


def centroid(embedder: Embedder, sound: Sound) -> NDArray[np.float32]:
    """As the diarizer makes it: pieces of 6 s at most, weighted by their length."""
    rows = banks(sound)
    pieces = [rows[at : at + 600] for at in range(0, max(len(rows) - 100, 1), 600)]
    total = sum((embedder.embed(piece) * len(piece) for piece in pieces), np.zeros(192, np.float32))
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


@dataclass(frozen=True)
class Voice:
    recording: str
    speaker: str
    seconds: float
    vector: NDArray[np.float32]


def recordings(people: dict[str, Sound], count: int, embedder: Embedder, seed: int) -> list[Voice]:
    rng = random.Random(seed)
    names = sorted(people)
    found = []
    for number in range(count):
        for speaker in rng.sample(names, min(len(names), rng.choice((1, 1, 2, 3)))):
            sound = people[speaker]
            lasted = min(rng.choice((2, 3, 4, 6, 8, 12, 20)), len(sound) / RATE / 2)
            start = rng.randrange(0, max(1, len(sound) - round(lasted * RATE)))
            heard = room(sound[start : start + round(lasted * RATE)], seed * 100_000 + number)
            found.append(Voice(f"r{number:04d}", speaker, lasted, centroid(embedder, heard)))
    return found


def scored(labels: Sequence[object], voices: Sequence[Voice]) -> tuple[float, float, int, int]:
    """Purity, coverage, clusters, speakers."""
    both: dict[object, Counter[str]] = defaultdict(Counter)
    other: dict[str, Counter[object]] = defaultdict(Counter)
    for label, voice in zip(labels, voices, strict=True):
        both[label][voice.speaker] += voice.seconds  # type: ignore[assignment]
        other[voice.speaker][label] += voice.seconds  # type: ignore[assignment]
    total = sum(voice.seconds for voice in voices)
    pure = sum(max(counts.values()) for counts in both.values()) / total
    covered = sum(max(counts.values()) for counts in other.values()) / total
    return pure, covered, len(both), len(other)


def identity(voices: Sequence[Voice]) -> None:
    vectors = np.stack([voice.vector for voice in voices])
    local = [LocalVoice(voice.recording, voice.seconds) for voice in voices]
    print(f"\nidentity: {len(voices)} voices in {len({v.recording for v in voices})} recordings")
    print(f"{'limits':>8} {'purity %':>9} {'coverage %':>11} {'speakers':>10}")
    for shift in (-0.08, -0.04, 0.0, 0.04, 0.08):
        curve = tuple((seconds, distance + shift) for seconds, distance in IdentityRules().limits)
        pure, covered, clusters, people = scored(cluster(vectors, local, IdentityRules(limits=curve)), voices)
        print(f"{shift:+8.2f} {100 * pure:9.1f} {100 * covered:11.1f} {clusters:6d}/{people}")


def stability(voices: Sequence[Voice], batches: int = 4) -> None:
    """The recordings come in batches, then half of them go, then all come back in another order."""
    places: Counter[str] = Counter()
    entries = []
    for voice in voices:
        span = Span.at(places[voice.recording], places[voice.recording] + voice.seconds)
        places[voice.recording] += voice.seconds  # type: ignore[assignment]
        anchor = anchor_of(voice.recording, voice.recording, [span], voice.seconds, packed(voice.vector))
        entries.append(Entry(f"local_{span.start}", f"{voice.recording}/x", anchor, 1))
    names = sorted({voice.recording for voice in voices})
    runs = [set(names[: len(names) * (step + 1) // batches]) for step in range(batches)] + [set(names[::2]), set(names)]
    roster, given, renamed = Roster(), {}, 0
    order = list(range(len(entries)))
    for step, here in enumerate(runs):
        if step > batches:
            random.Random(1).shuffle(order)
        chosen = [index for index in order if voices[index].recording in here]
        ids = assign([entries[index] for index in chosen], roster, People(), replayed=False)
        renamed += sum(given.get(index, id_) != id_ for index, id_ in zip(chosen, ids, strict=True))
        given |= dict(zip(chosen, ids, strict=True))
        kept = tuple(old for old in roster.entries if old.anchor.content not in here)
        now = tuple(replace(entries[index], id=id_) for index, id_ in zip(chosen, ids, strict=True))
        roster = Roster((*now, *kept), tuple(dict.fromkeys([*roster.ids, *ids])))
    pure, covered, clusters, people = scored([given[index] for index in range(len(entries))], voices)
    print(
        f"in {batches} batches, half taken away, all back in another order: {renamed} renamed; "
        f"purity {100 * pure:.1f} %, coverage {100 * covered:.1f} %, {clusters}/{people} speakers"
    )


@dataclass(frozen=True)
class Sample:
    seconds: float
    mixed: bool
    share: float
    cut: Cut


def cut_of(seconds: float) -> Cut:
    word = Word("x", Span.at(0, seconds), 1.0, "A")
    return Cut("x", 0, max(1, round(seconds * 25)), Fraction(25), (Line((word,), "A"),))


def whole(embedder: Embedder, sound: Sound) -> Speaker:
    """A speaker's whole speech, heard in pieces of 4 s."""
    rows = banks(sound)
    pieces = [rows[at : at + 400] for at in range(0, max(len(rows) - 100, 1), 400)]
    total = sum((embedder.embed(piece) * np.float32(len(piece) / 100) for piece in pieces), np.zeros(192, np.float32))
    return Speaker(np.asarray(total, np.float32), sum(map(len, pieces)) / 100)


def samples(people: dict[str, Sound], count: int, embedder: Embedder, seed: int) -> Iterator[Sample]:
    """Pure and mixed cuts in turn; two people of a mixed one share a room, and so does the rest of their speech."""
    rng = random.Random(seed)
    names = [name for name, sound in people.items() if len(sound) >= 9 * RATE]
    rooms = [
        {name: room(people[name], 1000 * seed + number) for name in rng.sample(names, min(len(names), 12))}
        for number in range(max(2, count // 200))
    ]
    heard = [{name: whole(embedder, sound) for name, sound in space.items()} for space in rooms]
    for number in range(count):
        space = rng.randrange(len(rooms))
        one, two = rng.sample(sorted(rooms[space]), 2)
        own, foreign = rooms[space][one], rooms[space][two]
        seconds, share = rng.uniform(1.6, 5.0), rng.uniform(0.2, 0.5)
        size = round(seconds * RATE)
        at = rng.randrange(0, len(own) - size)
        sound, mine = own[at : at + size], heard[space][one]
        if number % 2:
            part = round(share * size)
            start = rng.randrange(0, len(foreign) - part)
            other = foreign[start : start + part]
            sound = np.concatenate([other, sound[part:]] if rng.random() < 0.5 else [sound[:-part], other])
        cut = replace(cut_of(seconds), voiceprint=voiceprint(embedder, sound, [Span.at(0, seconds)]))
        yield Sample(seconds, bool(number % 2), share, compared(cut, mine, [heard[space][two]]))


def purity(found: Sequence[Sample]) -> None:
    print(f"\npurity: {sum(not s.mixed for s in found)} pure and {sum(s.mixed for s in found)} mixed cuts")
    print(f"{'seconds':>9} {'pure doubted %':>15} {'mixed doubted %':>16} {'two-voices':>11} {'other-voice':>12}")
    for low, high in ((1.6, 2.4), (2.4, 3.5), (3.5, 5.0), (1.6, 5.0)):
        part = [sample for sample in found if low <= sample.seconds <= high]
        told = [({doubt.reason for doubt in purity_doubts(sample.cut)}, sample.mixed) for sample in part]
        pure = [reasons for reasons, mixed in told if not mixed]
        bad = [reasons for reasons, mixed in told if mixed]
        rates = [100 * sum(map(bool, pure)) / max(len(pure), 1), 100 * sum(map(bool, bad)) / max(len(bad), 1)]
        rates += [100 * sum(reason in r for r in bad) / max(len(bad), 1) for reason in ("two-voices", "other-voice")]
        print(f"{low:4.1f}-{high:4.1f} {rates[0]:15.1f} {rates[1]:16.1f} {rates[2]:11.1f} {rates[3]:12.1f}")
    for low, high in ((0.2, 0.3), (0.3, 0.4), (0.4, 0.5)):
        part = [sample for sample in found if sample.mixed and low <= sample.share < high]
        share = 100 * sum(bool(purity_doubts(sample.cut)) for sample in part) / max(len(part), 1)
        print(f"mixed with {100 * low:.0f}-{100 * high:.0f} % of another voice: {share:.1f} % doubted")


def scale() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=192)
    people = rng.normal(size=(1000, 192))
    people = 0.62 * base / np.linalg.norm(base) + 0.78 * people / np.linalg.norm(people, axis=1, keepdims=True)
    vectors, voices, truth = [], [], []
    for number in range(5000):
        for speaker in rng.choice(1000, 2, replace=False):
            seconds, noise = float(rng.uniform(1, 40)), rng.normal(size=192)
            vector = people[speaker] + noise / np.linalg.norm(noise) * (0.75 / np.sqrt(seconds) + 0.25)
            vectors.append(vector / np.linalg.norm(vector))
            voices.append(LocalVoice(str(number), seconds))
            truth.append(Voice(str(number), str(speaker), seconds, vector))
    began = time.perf_counter()
    labels = cluster(np.array(vectors, np.float32), voices)
    took = time.perf_counter() - began
    pure, covered, clusters, there = scored(labels, truth)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"\n10,000 made-up voices: {took:.1f} s, {memory} MiB at the peak; purity {100 * pure:.1f} %, "
        f"coverage {100 * covered:.1f} %, {clusters}/{there}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--voices", type=Path)
    parser.add_argument("--recordings", type=int, default=60)
    parser.add_argument("--cuts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scale", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.scale:
        scale()
    if not asked.data and not asked.voices:
        return 0
    people = speakers_in(asked.data, asked.voices)
    print(f"{len(people)} speakers, {sum(map(len, people.values())) / RATE / 60:.1f} minutes of speech")
    embedder = Embedder(asked.threads)
    if asked.recordings:
        voices = recordings(people, asked.recordings, embedder, asked.seed)
        identity(voices)
        stability(voices)
    if asked.cuts:
        purity(list(samples(people, asked.cuts, embedder, asked.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
