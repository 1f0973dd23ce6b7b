"""Speech whose words are known, and recordings composed of it: what the trust bench fits and tests with.

Raw material is a folder into which Debian packages were unpacked (`--fetch` does it); what is absent is skipped:

    asterisk-core-sounds-{en,es,fr,it,ru} and -wav   spoken prompts with their scripts, one real voice a language
    pocketsphinx-testdata                            lines of a novel, read aloud
    tuxpaint-stamps-default                          names of animals
    flite, libflite1                                 four synthetic voices, which say `trust_sentences`
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trust_sentences import SENTENCES

RATE = 16_000
LANGUAGES = ("en", "es", "fr", "it", "ru")
PACKAGES = (
    *(f"asterisk-core-sounds-{code}{kind}" for code in LANGUAGES for kind in ("", "-wav")),
    "pocketsphinx-testdata", "tuxpaint-stamps-default", "flite", "libflite1",
)  # fmt: skip
CORRECTIONS = Path(__file__).with_name("trust_corrections.json")
"""Prompts whose script is not what is said: name -> what is said, or null where it cannot be decided."""
FOREIGN = 25
"""Prompts of each language but English."""
SAID = 100
"""Sentences of each synthetic voice."""
GROUPS = {
    "readers": ("allison", "librivox"),
    "synthetic": ("awb", "slt", "rms", "kal16", "tuxpaint"),
    **{code: (code,) for code in LANGUAGES if code != "en"},
}
"""Voices that may meet in one recording: those of one side of the split."""
CONDITIONS = (
    ("clean", 0.52), ("noise 20 dB", 0.07), ("noise 10 dB", 0.07), ("noise 4 dB", 0.05), ("far", 0.08),
    ("music", 0.06), ("telephone", 0.06), ("clipped", 0.03), ("overlap", 0.06),
)  # fmt: skip
"""What is done to a recording, and how often: people's clips are mostly clean."""

TWICE = "readers"
"""The group whose utterances are also heard as they are where a recording made them worse: of people's clips, more
than CONDITIONS says are clean."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    voice: str
    name: str
    language: str
    text: str
    samples: Sound


def corrections() -> dict[str, str | None]:
    """Voice/name -> what is really said; None where that cannot be decided."""
    known: dict[str, str | None] = json.loads(CORRECTIONS.read_text(encoding="utf-8"))
    return known


def fetch(folder: Path) -> None:
    """Downloads and unpacks what `PACKAGES` names. Raises CalledProcessError where apt cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
        archive.unlink()


def utterances(folder: Path) -> list[Utterance]:
    """Everything that the folder has, with its script: `corrections` say where that is not what is said."""
    share = folder / "usr" / "share"
    return [*_prompts(share), *_novel(share), *_animals(share), *_synthetic(folder)]


def _prompts(share: Path) -> Iterator[Utterance]:
    for code in LANGUAGES:
        script = share / "doc" / f"asterisk-core-sounds-{code}" / f"core-sounds-{code}.txt.gz"
        folders = sorted((share / "asterisk" / "sounds").glob(f"{code}_*"))
        if not script.is_file() or not folders:
            continue
        taken = []
        for line in gzip.decompress(script.read_bytes()).decode("utf-8", "replace").splitlines():
            name, colon, text = (part.strip() for part in line.partition(":"))
            file = folders[0] / f"{name}.wav"
            if not colon or name.startswith(";") or re.search(r"[\d\[(#*]", text) or not file.is_file():
                continue
            seconds = file.stat().st_size / 16_000  # 8 kHz, 16 bits
            least, most = (2, 1.0) if code == "en" else (3, 1.5)
            if len(text.split()) >= least and most <= seconds <= 15:
                taken.append((_order(name), name, text, file))
        for _, name, text, file in sorted(taken)[: None if code == "en" else FOREIGN]:
            yield Utterance("allison" if code == "en" else code, name, code, text, read(file))


def _order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _novel(share: Path) -> Iterator[Utterance]:
    folder = share / "pocketsphinx" / "test" / "data" / "librivox"
    if (folder / "transcription").is_file():
        for text, name in re.findall(r"<s> (.*) </s> \((.*)\)", (folder / "transcription").read_text()):
            for take in range(3):  # heard in three conditions: there are only five
                yield Utterance("librivox", f"{name[-4:]} {take}", "en", text, read(folder / f"{name}.wav"))


def _animals(share: Path) -> Iterator[Utterance]:
    for file in sorted((share / "tuxpaint" / "stamps" / "animals").rglob("*_desc.ogg")):
        script = file.with_name(file.name.replace("_desc.ogg", ".txt"))
        if script.is_file():
            text = script.read_text(encoding="utf-8").splitlines()[0].strip()
            text = re.sub("^An? ", "", text)  # written, and not said
            yield Utterance("tuxpaint", file.stem.removesuffix("_desc"), "en", text, read(file))


def _synthetic(folder: Path) -> Iterator[Utterance]:
    program = folder / "usr" / "bin" / "flite"
    if not program.is_file():
        return
    libraries = ":".join(str(path) for path in (folder / "usr" / "lib").glob("*-linux-*"))
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
    with tempfile.TemporaryDirectory() as scratch:
        for voice in ("awb", "slt", "rms", "kal16"):
            rng = np.random.default_rng(len(voice) + ord(voice[0]))
            for index in sorted(rng.permutation(len(SENTENCES))[:SAID].tolist()):
                file = Path(scratch) / "said.wav"
                speed = ["--setf", f"duration_stretch={rng.uniform(0.85, 1.15):.2f}"]
                command = [str(program), "-voice", voice, *speed, "-t", SENTENCES[index], "-o", str(file)]
                subprocess.run(command, check=True, env=environment)
                yield Utterance(voice, f"{index:03}", "en", SENTENCES[index], read(file))


def read(file: Path) -> Sound:
    """float32 (n,), mono, 16 kHz."""
    import av

    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(file)) as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    parts = [part.to_ndarray()[0] for part in [*frames, *resampler.resample(None)]]
    return np.concatenate(parts).astype(np.float32)


# --- recordings -------------------------------------------------------------------------------------------------------


def compose(said: Sequence[Utterance], folder: Path, seed: int = 1) -> list[dict[str, Any]]:
    """Recordings of several utterances with pauses, written as WAV; what is said when, in order of start.

    The same utterances and seed make the same recordings. A part that is `under` another is somebody else's speech.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    recordings = []
    for group, voices in GROUPS.items():
        own = [one for one in said if one.voice in voices]
        for number, chosen in enumerate(_parted(own, rng)):
            condition = str(rng.choice([name for name, _ in CONDITIONS], p=[share for _, share in CONDITIONS]))
            recordings.append(_recorded(chosen, own, folder, f"{group}-{number:03}", group, condition, rng))
    worse = {(p["voice"], p["name"]) for one in recordings if one["condition"] != "clean" for p in one["parts"]}
    own = [one for one in said if one.voice in GROUPS[TWICE] and (one.voice, one.name) in worse]
    for number, chosen in enumerate(_parted(own, rng)):
        recordings.append(_recorded(chosen, own, folder, f"{TWICE}-again-{number:03}", TWICE, "clean", rng))
    (folder / "truth.json").write_text(json.dumps(recordings, ensure_ascii=False, indent=1), encoding="utf-8")
    return recordings


def _recorded(
    chosen: Sequence[Utterance], own: Sequence[Utterance], folder: Path, name: str, group: str, condition: str,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    sound, parts = _laid_out(chosen, own, condition, rng)
    _write(folder / f"{name}.wav", degrade(sound, condition, rng))
    return {"file": f"{name}.wav", "group": group, "condition": condition, "parts": parts}


def _parted(own: Sequence[Utterance], rng: np.random.Generator) -> Iterator[list[Utterance]]:
    """Each utterance once, four to nine a recording; half of the recordings have one voice, half two or three."""
    left = {voice: [own[i] for i in rng.permutation(len(own)) if own[i].voice == voice] for voice in
            dict.fromkeys(one.voice for one in own)}  # fmt: skip
    while any(left.values()):
        there = [voice for voice, rest in left.items() if rest]
        cast = [str(v) for v in rng.permutation(there)][: 1 if rng.random() < 0.5 else int(rng.integers(2, 4))]
        chosen = []
        for _ in range(int(rng.integers(4, 10))):
            speaking = [voice for voice in cast if left[voice]]
            if speaking:
                chosen.append(left[str(rng.choice(speaking))].pop())
        yield chosen


def _laid_out(
    chosen: Sequence[Utterance], own: Sequence[Utterance], condition: str, rng: np.random.Generator
) -> tuple[Sound, list[dict[str, Any]]]:
    at, level, parts, placed = rng.uniform(0.3, 1.0), rng.uniform(-30, -18), [], []
    for one in chosen:
        samples = _at_level(one.samples, level + rng.normal(0, 1))
        start, end = at, at + len(samples) / RATE
        placed.append((start, samples))
        parts.append(_part(one, start, end, under=False))
        others = [other for other in own if other.voice != one.voice]
        if condition == "overlap" and others and rng.random() < 0.6:
            other = others[int(rng.integers(len(others)))]
            second = _at_level(other.samples, level - rng.uniform(0, 10))
            begin = start + rng.uniform(0.2, 0.7) * (end - start)
            placed.append((begin, second))
            parts.append(_part(other, begin, begin + len(second) / RATE, under=True))
            end = max(end, begin + len(second) / RATE)
        at = end + (rng.uniform(0.25, 0.7) if rng.random() < 0.5 else rng.uniform(0.7, 2.5))
    sound = np.zeros(int((at + 0.5) * RATE), np.float32)
    for start, samples in placed:
        first = int(start * RATE)
        sound[first : first + len(samples)] += samples
    return sound, parts


def _part(one: Utterance, start: float, end: float, *, under: bool) -> dict[str, Any]:
    said = {"voice": one.voice, "name": one.name, "language": one.language, "text": one.text}
    return {"start": round(start, 3), "end": round(end, 3), "under": under, **said}


def _at_level(samples: Sound, level: float) -> Sound:
    """At `level` dBFS of its louder half."""
    hops = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = np.sort(np.square(hops).mean(axis=1))[len(hops) // 2 :].mean()
    return np.asarray(samples * (10 ** (level / 20) / max(1e-6, float(np.sqrt(power)))), np.float32)


def degrade(sound: Sound, condition: str, rng: np.random.Generator) -> Sound:
    """The recording as a worse microphone, room or line would have it. A quiet room's noise is in every one."""
    rest = float(np.sqrt(np.square(sound[np.abs(sound) > 1e-4]).mean())) if np.any(sound) else 1e-3
    if condition.startswith("noise"):
        sound = sound + _noise(len(sound), rng) * np.float32(rest * 10 ** (-float(condition.split()[1]) / 20))
    elif condition == "far":
        sound = _convolved(sound, _room(rng.uniform(0.4, 0.8), rng))
        sound = sound * np.float32(rest / max(1e-6, float(np.sqrt(np.square(sound).mean())))) * np.float32(0.7)
        sound = sound + _noise(len(sound), rng) * np.float32(rest * 10 ** (-15 / 20))
    elif condition == "music":
        sound = sound + _music(len(sound), rng) * np.float32(rest * 10 ** (-rng.uniform(6, 18) / 20))
    elif condition == "telephone":
        sound = _banded(sound, 300.0, 3400.0)
        sound = np.sign(sound) * (np.round(127 * np.log1p(255 * np.abs(sound)) / np.log(256)) / 127 * np.log(256))
        sound = np.sign(sound) * np.expm1(np.abs(sound)) / 255
    elif condition == "clipped":
        top = np.percentile(np.abs(sound), 99) * 0.35
        sound = np.clip(sound, -top, top) * (0.9 / top)
    sound = sound + _noise(len(sound), rng) * np.float32(10 ** (-rng.uniform(62, 72) / 20))
    return np.asarray(np.clip(sound, -1, 1), np.float32)


def _noise(count: int, rng: np.random.Generator) -> Sound:
    """Unit power, falling by 3 dB an octave."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= np.sqrt(np.maximum(1.0, np.arange(len(spectrum))))
    noise = np.fft.irfft(spectrum, count)
    return np.asarray(noise / np.sqrt(np.square(noise).mean()), np.float32)


def _room(decay: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """An impulse response: a direct sound of half the energy of the echoes, which fall by 60 dB in `decay` s."""
    count = int(decay * RATE)
    echoes = rng.normal(size=count) * 10 ** (-3 * np.arange(count) / count)
    echoes /= np.sqrt(np.square(echoes).sum())
    echoes[0] = np.sqrt(0.5)
    return np.asarray(echoes)


def _convolved(sound: Sound, response: NDArray[np.float64]) -> Sound:
    size = len(sound) + len(response)
    return np.asarray(
        np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: len(sound)], np.float32
    )


def _banded(sound: Sound, low: float, high: float) -> Sound:
    spectrum = np.fft.rfft(sound)
    pitch = np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(pitch < low) | (pitch > high)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float32)


def _music(count: int, rng: np.random.Generator) -> Sound:
    """Chords of decaying tones with overtones, unit power."""
    sound = np.zeros(count + RATE * 3)
    time = np.arange(RATE * 2) / RATE
    for start in range(0, count, RATE // 2):
        for step in rng.choice([0, 3, 5, 7, 10, 12, 15], 3, replace=False):
            pitch = 110 * 2 ** ((int(step) + 12 * int(rng.integers(0, 2))) / 12)
            tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3, 4))
            sound[start : start + len(time)] += tone * np.exp(-2 * time)
    sound = sound[:count]
    return np.asarray(sound / np.sqrt(np.square(sound).mean()), np.float32)


def _write(file: Path, sound: Sound) -> None:
    with wave.open(str(file), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(RATE)
        target.writeframes((sound * 32767).astype("<i2").tobytes())
