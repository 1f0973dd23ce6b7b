"""How well voice, room and quality are measured, and what it costs, against sounds of known truth.

    python bench/measures.py [--data FOLDER] [--fit]

Clean recordings of `sample_dataset` and, where it is there, of FOLDER (CAPTIONER_TEST_DATA, else `../shared/data`)
are spoilt by known amounts. Praat's pitch is printed where `parselmouth` is installed. `--fit` prints the numbers of
`captioner/models/voice/room.py` fitted anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.composed import (  # noqa: E402
    RATE,
    Floats,
    clarity_of,
    clipped,
    image_room,
    in_room,
    mixed,
    pink,
    recording,
    reverberation_of,
    tail_room,
    telephone,
    vowel,
    white,
)  # fmt: skip
from captioner.media.pcm import Samples16k  # noqa: E402
from captioner.models.protocols import Excerpt  # noqa: E402
from captioner.models.voice import measured, room  # noqa: E402
from captioner.models.voice.background import noise_of  # noqa: E402
from captioner.models.voice.distortion import bandwidth, clipped_share  # noqa: E402
from captioner.models.voice.masks import inside, without_rumble  # noqa: E402
from captioner.models.voice.mos import Opinion  # noqa: E402
from captioner.models.voice.pitch import Tracker  # noqa: E402
from captioner.models.voice.scene import measure_scene  # noqa: E402
from captioner.models.voice.speaking import measure_voice, syllables  # noqa: E402
from captioner.models.voice.voiceprint import voiceprint  # noqa: E402
from captioner.speech.gates import GATES, Limits, judge  # noqa: E402
from captioner.speech.regions import speech_regions  # noqa: E402
from captioner.times import Span  # noqa: E402
from captioner.types import Cut, Line, Word  # noqa: E402

SAMPLES = ROOT / "sample_dataset" / "raw"
CLEAN = {
    "allison": (SAMPLES / "cc-by-sa-3.0/interview.mp4", 1.2, 5.0, ""),
    "austen": (SAMPLES / "cc-by-sa-3.0/interview.mp4", 5.2, 8.4, ""),
    "slt": (
        SAMPLES / "public-domain-and-bsd/table.wav", 0, 3.1, "He turned sharply and faced Gregson across the table",
    ),
    "walker": (
        SAMPLES / "public-domain-and-bsd/phone.mp4", 0, 5.8, "go forward ten meters go somewhere and do something",
    ),
}  # fmt: skip
MORE = {
    "lj": ("audio/ljspeech_LJ001-0007.flac", 0, 4.2, ""),
    "libri": (
        "audio/librispeech_1089-134686-0001.flac", 0, 3.2, "stuff it into you his belly counselled him",
    ),
    "libri long": (
        "audio/librispeech_1089-134686-0000.flac", 0, 10.4, "he hoped there would be stew for dinner turnips and "
        "carrots and bruised potatoes and fat mutton pieces to be ladled out in thick peppered flour fattened sauce",
    ),
    "jfk": (
        "audio/jfk.flac", 0, 11, "and so my fellow americans ask not what your country can do for you ask what you "
        "can do for your country",
    ),
    "grid 1": ("grid/bbaf2n.mpg", 0.3, 2.9, "bin blue at f two now"),
    "grid 2": ("grid/prwq3s.mpg", 0.3, 2.9, "place red with q three soon"),
    "grid 3": ("grid/swwp2s.mpg", 0.3, 2.9, "set white with p two soon"),
    "grid 4": ("grid/brbk7n.mpg", 0.3, 2.9, "bin red by k seven now"),
}  # fmt: skip


class Voices:
    """Clean recordings, and the embedded ear that says where their speech is."""

    def __init__(self, data: Path) -> None:
        from captioner.models.vad import embedded

        self._vad = embedded.load(embedded.Options())
        files = dict(CLEAN)
        files |= {
            name: (data / file, a, b, text) for name, (file, a, b, text) in MORE.items() if (data / file).exists()
        }
        self.sounds = {n: recording(path)[round(a * RATE) : round(b * RATE)] for n, (path, a, b, _) in files.items()}
        self.texts = {name: text for name, (*_, text) in files.items() if text}

    def speech(self, sound: Floats) -> tuple[Span, ...]:
        class Wave:
            duration = len(sound) / RATE

            def read(self, start: float, end: float) -> Floats:
                return sound[round(start * RATE) : round(end * RATE)]

        ends = len(sound) / RATE
        found = speech_regions(self._vad.listen([Wave()])[0])
        return tuple(Span.at(span.start, min(span.end, ends)) for span in found if span.start < ends)


def row(name: str, errors: list[float], unit: str) -> None:
    if errors:
        size = np.abs(errors)
        print(f"  {name:34} mean {size.mean():6.2f} {unit}, 90 % below {np.quantile(size, 0.9):6.2f}, n {len(size)}")


def pitch(voices: Voices) -> None:
    track = Tracker(1)
    for title, snr in (("synthetic voices", 40.0), ("the same in noise at 10 dB", 10.0)):
        errors, unsaid = [], 0
        for hertz in (70, 85, 110, 140, 180, 220, 262, 300, 350, 420):
            for formants in ((600, 1200, 2500), (280, 2300, 2900), (750, 1100, 2400)):
                for glide in (0.0, 0.4):
                    n = round(1.2 * RATE)
                    curve = (hertz * 2 ** np.linspace(-glide / 2, glide / 2, n)).astype(np.float32)
                    sound = np.pad(vowel(curve, 1.2, formants=formants), RATE // 2)
                    span = [Span.at(0.5, 1.7)]
                    both = mixed(sound, inside(len(sound), span), white(len(sound), hertz), snr)
                    found = measure_voice(both, span, 3, track(both)).pitch
                    unsaid += found is None
                    errors += [] if found is None else [100 * (found / hertz - 1)]
        row(title, errors, f"% ({unsaid} not said)")
    try:
        import parselmouth
    except ImportError:
        print("  (parselmouth is not installed: no second tracker on real speech)")
        return
    errors = []
    for sound in voices.sounds.values():
        speech = voices.speech(sound)
        own = measure_voice(sound, speech, 3, track(sound)).pitch
        praat = parselmouth.Sound(sound.astype(np.float64), RATE).to_pitch_ac(pitch_floor=60, pitch_ceiling=500)
        heard = praat.selected_array["frequency"]
        if own is not None:
            errors.append(100 * (own / float(np.median(heard[heard > 0])) - 1))
    row("real speech, against Praat", errors, "%")


def snr(voices: Voices) -> None:
    for name, noise in (("white noise", white), ("pink noise", pink)):
        errors, unsaid = [], 0
        for number, sound in enumerate(voices.sounds.values()):
            quiet = without_rumble(sound)
            truth = inside(len(sound), voices.speech(sound))
            for wanted in (0, 5, 10, 15, 20):
                both = mixed(quiet, truth, noise(len(sound), number), wanted)
                found = noise_of(both, voices.speech(both), steady=True)[1]
                unsaid += found is None
                errors += [] if found is None else [found - wanted]
        row(f"{name}, real speech", errors, f"dB ({unsaid} not said)")


def rooms() -> Iterator[tuple[str, Floats]]:
    for number, t60 in enumerate(np.geomspace(0.25, 1.5, 10)):
        for direct in (-6.0, 0.0, 4.0):
            yield "exponential tails", tail_room(float(t60), direct, number)
    for sides in ((4.5, 3.5, 2.5), (6.0, 5.0, 3.0), (9.0, 7.0, 3.5)):
        for absorption in (0.2, 0.3, 0.45):
            for distance in (1.0, 2.0):
                yield "image sources", image_room(sides, distance, absorption)


def reverberation(voices: Voices) -> None:
    times: dict[str, list[float]] = {}
    clear: list[float] = []
    unsaid = 0
    for kind, answer in rooms():
        truth = reverberation_of(answer)
        if not 0.2 <= truth <= 1.6:
            continue
        for sound in voices.sounds.values():
            found = room.hear_room(in_room(sound, answer), 40.0)
            unsaid += found.reverberation is None
            if found.reverberation is not None:
                times.setdefault(kind, []).append(100 * (found.reverberation / truth - 1))
            if found.clarity is not None:
                clear.append(found.clarity - min(30.0, clarity_of(answer)))
    for kind, errors in times.items():
        row(f"reverberation time, {kind}", errors, "%")
    row(f"clarity ({unsaid} called dry)", clear, "dB")


def syllables_in(text: str) -> int:
    """Of English text, by its vowels: within a few per cent over a sentence."""
    count = 0
    for word in re.findall(r"[a-z]+", text.lower().replace("'", "")):
        groups = len(re.findall(r"[aeiouy]+", word))
        silent = re.search(r"([^l]e|[^td]ed)$", word) and not re.search(r"[aeiouy]{2}$|^[^aeiouy]*e$", word)
        count += max(1, groups - bool(silent and groups > 1))
    return count


def rate(voices: Voices) -> None:
    track, words, counted = Tracker(1), [], []
    texts = {name: (voices.sounds[name], text) for name, text in voices.texts.items()}
    for file in ("sonnet", "interview"):
        lines = json.loads((ROOT / f"sample_dataset/truth/{file}.lines.json").read_text())
        whole = recording(next(SAMPLES.rglob(f"{file}.mp4")))
        for line in lines:
            piece = whole[max(0, round((line["start"] - 0.3) * RATE)) : round((line["end"] + 0.3) * RATE)]
            texts[f"{file} {line['start']}"] = (piece, line["text"])
            said, lasted = len(line["text"].split()), line["end"] - line["start"]
            voice = measure_voice(piece, voices.speech(piece), said, track(piece))
            if voice.rate is not None:
                words.append(100 * (voice.rate / (said / lasted) - 1))
    for sound, text in texts.values():
        found = syllables(sound, inside(len(sound), voices.speech(sound)), track(sound))
        counted.append(100 * (found / syllables_in(text) - 1))
    row("words a second, by true times", words, "%")
    row("syllables, by the text", counted, "%")


def gates(voices: Voices) -> None:
    meter = measured.load(measured.Options(threads=2))
    music = recording(SAMPLES / "cc-by-sa-3.0/coffee.mp4")[3 * RATE :]

    def under_music(sound: Floats, truth: Any) -> Floats:
        return mixed(sound, truth, np.tile(music, 2), 3)

    damage: dict[str, tuple[str | None, Callable[[Floats, Any], Floats]]] = {
        "as it is": (None, lambda sound, _truth: sound),
        "noise at 3 dB": ("noisy", lambda sound, truth: mixed(sound, truth, white(len(sound)), 3)),
        "music at 3 dB": ("music-under-speech", under_music),
        "a hall of 2 s": ("reverberant", lambda sound, _truth: in_room(sound, tail_room(2.0, -4))),
        "clipped at 18 dB": ("clipped", lambda sound, _truth: clipped(sound, 8.0)),
        "through 8 kHz": ("narrow-band", lambda sound, _truth: telephone(sound)),
    }
    for name, (wanted, spoil) in damage.items():
        said: list[str] = []
        hit = 0
        for sound in voices.sounds.values():
            spoilt = spoil(sound, inside(len(sound), voices.speech(sound)))
            found = meter.measure([Excerpt(Samples16k(spoilt), voices.speech(spoilt), 6, bandwidth=8000.0)])[0]
            scene = replace(found.scene, music=name.startswith("music"))
            line = Line((Word("yes", Span.at(0, 1)),), "A")
            cut = Cut("x", 0, 49, Fraction(24), (line,), found.voice, scene, found.quality)
            reasons = [doubt.reason for doubt in judge(cut, Limits()).doubts]
            hit += bool(reasons) if wanted is None else wanted in reasons
            said += reasons
        counts = ", ".join(f"{gate.reason} {said.count(gate.reason)}" for gate in GATES if gate.reason in said)
        print(
            f"  {name:34} {hit} of {len(voices.sounds)} {'held' if wanted is None else wanted}; all: {counts or 'none'}"
        )


def cost(voices: Voices) -> None:
    from captioner.models.embedding import Embedder

    track, opinion, embedder = Tracker(1), Opinion(1), Embedder(1)
    clips = [(sound, voices.speech(sound)) for sound in voices.sounds.values()]
    seconds = sum(len(sound) for sound, _ in clips) / RATE
    parts: dict[str, Callable[[Floats, Any], object]] = {
        "pitch (SwiftF0)": lambda sound, _speech: track(sound),
        "quality (DNSMOS)": lambda sound, _speech: opinion(sound),
        "voiceprint (CAM++)": lambda sound, speech: voiceprint(embedder, sound, speech),
        "voice": lambda sound, speech: measure_voice(sound, speech, 5, tracks[id(sound)]),
        "scene and room": lambda sound, speech: measure_scene(sound, speech),
        "clipping and bandwidth": lambda sound, _speech: (clipped_share(sound), bandwidth(sound, None)),
    }
    tracks = {id(sound): track(sound) for sound, _ in clips}
    total = 0.0
    for name, call in parts.items():
        begun = time.process_time()
        for sound, speech in clips:
            call(sound, speech)
        took = 1000 * (time.process_time() - begun) / seconds
        total += took
        print(f"  {name:34} {took:6.1f} ms of one core a second of sound")
    print(f"  {'all':34} {total:6.1f}")


def fit(voices: Voices) -> None:
    """Ridge regression on the features, their squares and a constant; its error on each voice when fitted on others."""
    features, truth, whose = [], [], []
    for number, (_, answer) in enumerate(rooms()):
        time60 = reverberation_of(answer)
        for name, sound in voices.sounds.items() if 0.15 <= time60 <= 1.7 else ():
            wet = in_room(sound, answer)
            noisy = wet + white(len(wet), number) * np.float32(10 ** (-(20 + 10 * (number % 3)) / 20) * np.std(wet))
            found = room.decay_features(np.asarray(noisy, np.float32))
            if found is not None:
                features.append(found)
                truth.append((np.log(time60), np.clip(clarity_of(answer), -5, 30)))
                whose.append(name.split(" ")[0])
    matrix, wanted, names = np.array(features), np.array(truth), np.array(whose)
    middle, spread = matrix.mean(0), matrix.std(0)
    shifted = (matrix - middle) / spread
    terms = np.c_[shifted, shifted**2, np.ones(len(shifted))]
    for name in sorted(set(whose)):
        guessed = terms[names == name] @ _ridge(terms[names != name], wanted[names != name])
        off = guessed - wanted[names == name]
        row(f"{name} left out, reverberation", list(100 * np.expm1(off[:, 0])), "%")
        row(f"{name} left out, clarity", list(off[:, 1]), "dB")
    weights = _ridge(terms, wanted)
    for name, values in (
        ("means", middle),
        ("deviations", spread),
        ("time", weights[:, 0]),
        ("clarity", weights[:, 1]),
    ):
        print(name, np.array2string(values, precision=4, separator=", ", max_line_width=110))


def _ridge(terms: Any, wanted: Any) -> Any:
    return np.linalg.solve(terms.T @ terms + 3 * np.eye(terms.shape[1]), terms.T @ wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("CAPTIONER_TEST_DATA", ROOT / "../shared/data"))
    )
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    voices = Voices(given.data)
    print(f"{len(voices.sounds)} clean recordings")
    if given.fit:
        fit(voices)
        return
    for title, part in (
        ("pitch", pitch), ("speech over noise", snr), ("room", reverberation), ("pace", rate), ("gates", gates),
        ("cost", cost),
    ):  # fmt: skip
        print(title)
        part(voices)


if __name__ == "__main__":
    main()
