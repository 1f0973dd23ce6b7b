"""Decoded latents against their clips, on real speech: what is good has no finding, what is not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner.checks.caches import ByPlace
from captioner.checks.decoded import SAME, SPOKEN, Comparison, Kind, _clip_of, compare, decoded_files, kind_of
from captioner.checks.findings import Finding, Severity
from captioner.checks.likeness import likeness, pattern_of
from captioner.checks.rules import all_rules
from captioner.checks.view import AudioFacts, CaptionFile, ClipView, Media, View
from captioner.errors import ModelError, UsageError
from captioner.media.pcm import PcmFile
from captioner.media.probe import probe
from captioner.media.sound import decode_speech
from tests.degraded import RATE, faster, garbled, noise, through_aac, vocoded, write_wav

SAMPLE = Path(__file__).parent.parent / "sample_dataset"
Samples = NDArray[np.float32]


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Samples]]:
    """Lines of the sample dataset's interview: words and sound, 16 kHz."""
    path = next((SAMPLE / "raw").rglob("interview.mp4"))
    target = tmp_path_factory.mktemp("sound") / "interview.s16"
    decode_speech(path, *probe(path), target)
    sound = PcmFile(target)
    told = json.loads((SAMPLE / "truth" / "interview.lines.json").read_text(encoding="utf-8"))
    return [
        (one["text"], sound.read(one["start"] - 0.1, one["end"] + 0.1)) for one in told if one["end"] - one["start"] > 2
    ][:5]


class Set:
    """Clips of real speech, and what their latents decode to."""

    def __init__(self, root: Path, lines: list[tuple[str, Samples]]) -> None:
        self.root = root
        self.sounds = {f"c{number}": sound for number, (_, sound) in enumerate(lines)}
        self.texts = {f"c{number}": f'ema, a voice. Speech: "{text}"' for number, (text, _) in enumerate(lines)}
        for name, sound in self.sounds.items():
            write_wav(root / f"{name}.wav", sound)

    def decode(self, name: str, sound: Samples) -> None:
        write_wav(self.root / "decoded_audio" / f"{name}.wav", sound)

    def decode_all(self, how: Callable[[Samples], Samples]) -> Set:
        for name, sound in self.sounds.items():
            self.decode(name, how(sound))
        return self

    def view(self, trainer: str | None = None) -> View:
        clips = tuple(
            ClipView(f"{name}.wav", self.root / f"{name}.wav",
                     Media(audio=(AudioFacts("pcm_s16le", RATE, 1, 0.0, len(sound)),)),
                     caption=CaptionFile(f"{name}.txt", self.texts[name]))
            for name, sound in self.sounds.items()
        )  # fmt: skip
        return View(self.root, clips, decoded=(self.root / "decoded_audio",), trainer=trainer)


@pytest.fixture
def data(tmp_path: Path, lines: list[tuple[str, Samples]]) -> Set:
    return Set(tmp_path, lines)


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a transcriber: the rules that need none."""

    def load(_: object) -> None:
        raise ModelError("no weights are here")

    monkeypatch.setattr("captioner.models.asr.faster_whisper.load", load)


def run(view: View, *rules: str) -> dict[str, list[Finding]]:
    every = rules or ("D01", "D02", "D03", "D04", "D05")
    found = {
        rule: [one for one in all_rules()[rule].check(view) if one.severity is not Severity.INFO] for rule in every
    }
    return {rule: findings for rule, findings in found.items() if findings}


GOOD: dict[str, Callable[[Samples], Samples]] = {
    "the same": lambda sound: sound,
    "AAC": through_aac,
    "64 mel bands": vocoded,
    "5 dB quieter": lambda sound: (sound * 0.56).astype(np.float32),
    "50 ms later": lambda sound: np.concatenate([np.zeros(800, np.float32), sound[:-800]]),
    "a step shorter": lambda sound: sound[:-640],
}


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize("how", ["the same", "AAC", "5 dB quieter", "50 ms later", "a step shorter"])
def test_what_sounds_as_its_clip_has_no_finding(data: Set, how: str) -> None:
    view = data.decode_all(GOOD[how]).view()
    assert run(view) == {}
    assert {one.kind for one in view.compared.pairs} == {Kind.SAME}


@pytest.mark.usefixtures("deaf")
def test_a_vocoder_is_the_same_sound(data: Set) -> None:
    found = run(data.decode_all(vocoded).view())
    assert not set(found) - {"D05"}, "phases made anew may sound worse, and are no other sound"


@pytest.mark.usefixtures("deaf")
def test_the_sentence_that_people_need(data: Set) -> None:
    data.decode_all(lambda sound: sound)
    data.decode("c1", noise(data.sounds["c1"]))
    data.decode("c2", garbled(data.sounds["c2"]))
    data.decode("c4", np.random.default_rng(0).normal(0, 0.05, 60_000).astype(np.float32))
    found = run(data.view())
    assert set(found) == {"D01"}
    summary, *each = found["D01"]
    assert summary.file == "decoded_audio"
    assert summary.found == "3 of 5 decode to noise: c1.wav, c2.wav, c4.wav"
    assert summary.severity is Severity.ERROR
    assert [one.file for one in each] == [f"decoded_audio/{name}.wav" for name in ("c1", "c2", "c4")]
    assert "nothing of c1.wav is in it" in each[0].found


@pytest.mark.usefixtures("deaf")
def test_the_sound_of_another_clip_is_named(data: Set) -> None:
    data.decode_all(lambda sound: sound)
    data.decode("c1", through_aac(data.sounds["c3"]))
    found = run(data.view())["D01"]
    assert found[0].found == "1 of 5 decode to another clip: c1.wav"
    assert "the sound of c3.wav, not of c1.wav" in found[1].found


@pytest.mark.usefixtures("deaf")
def test_silence_and_files_that_cannot_be_heard(data: Set) -> None:
    data.decode_all(lambda sound: sound)
    data.decode("c0", np.zeros(40_000, np.float32))
    (data.root / "decoded_audio" / "c1.wav").write_bytes(b"not a sound")
    found = run(data.view())["D01"]
    assert [one.found for one in found[:2]] == [
        "1 of 5 decode to silence: c0.wav", "1 of 5 decode to nothing that can be heard: c1.wav"
    ]  # fmt: skip
    assert "it cannot be heard" in found[3].found
    assert str(data.root) not in found[3].found


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize(("tempo", "semitones"), [(1.19, "+3.0"), (0.84, "-3.0"), (1.05, "+0.8")])
def test_another_tempo(data: Set, tempo: float, semitones: str) -> None:
    data.decode_all(lambda sound: sound)
    data.decode("c0", faster(data.sounds["c0"], tempo))
    found = run(data.view())
    assert set(found) == {"D02"}
    (finding,) = found["D02"]
    assert f"{tempo:.2f}x" in finding.found
    assert semitones in finding.found


@pytest.mark.usefixtures("deaf")
def test_level_place_and_end(data: Set) -> None:
    data.decode_all(lambda sound: sound)
    data.decode("c0", (data.sounds["c0"] * 0.1).astype(np.float32))
    data.decode("c1", np.concatenate([np.zeros(3200, np.float32), data.sounds["c1"]]))
    data.decode("c2", data.sounds["c2"][: -RATE // 2])
    found = run(data.view())
    assert set(found) == {"D03"}
    assert [one.found for one in found["D03"]] == [
        "it is -20.0 dB as loud as c0.wav", "its sound comes 0.20 s later than in c1.wav"
    ]  # fmt: skip
    ends = [one for one in run(data.view("plain"), "D03")["D03"] if "missing" in one.found]
    assert [one.found for one in ends] == ["its last 0.50 s are missing, against what the trainer takes"]


@pytest.mark.usefixtures("deaf")
def test_a_hole_in_the_sound(data: Set) -> None:
    data.decode_all(lambda sound: sound)
    hole = data.sounds["c3"].copy()
    hole[len(hole) // 3 : len(hole) * 2 // 3] = 0
    data.decode("c3", hole)
    found = run(data.view())
    assert set(found) == {"D03"}
    (finding,) = found["D03"]
    assert finding.severity is Severity.ERROR
    assert "it is silent for 0." in finding.found


@pytest.mark.usefixtures("deaf")
def test_the_level_counts_from_6_db(data: Set) -> None:
    data.decode_all(lambda sound: (sound * 10 ** (-5.9 / 20)).astype(np.float32))
    assert run(data.view()) == {}
    data.decode_all(lambda sound: (sound * 10 ** (-6.1 / 20)).astype(np.float32))
    assert len(run(data.view())["D03"]) == 5


@pytest.mark.usefixtures("deaf")
def test_a_poor_decoder_sounds_worse(data: Set) -> None:
    data.decode_all(lambda sound: vocoded(sound, blur=1.0))
    view = data.view()
    found = run(view)
    assert set(found) == {"D05"}
    worse = {one.file for one in found["D05"]}
    assert len(worse) >= 4
    assert any("DNSMOS" in one.found for one in found["D05"])


@pytest.mark.usefixtures("deaf")
def test_files_and_clips_that_have_no_partner(data: Set) -> None:
    data.decode("c0", data.sounds["c0"])
    data.decode("stranger", data.sounds["c1"])
    (finding,) = [one for one in all_rules()["D01"].check(data.view()) if one.severity is Severity.INFO]
    assert finding.found.startswith("4 clips have no decoded sound (c1.wav,")
    assert "1 files are of no clip (decoded_audio/stranger.wav)" in finding.found
    (data.root / "decoded_audio" / "c0.wav").unlink()
    (finding,) = run(data.view())["D01"]
    assert finding.severity is Severity.WARNING
    view = View(data.root, decoded=(data.root / "nowhere",))
    with pytest.raises(UsageError, match="no such folder"):
        compare(view)


def test_names_that_trainers_give(tmp_path: Path) -> None:
    clips = tuple(ClipView(f"clips/{name}.mp4", tmp_path / "clips" / f"{name}.mp4", Media()) for name in ("a_b", "a"))
    places = ByPlace(clips)

    def found(key: str) -> str | None:
        clip = _clip_of(key, places)
        return clip.name if clip else None

    assert found("clips/a_b") == found("a_b") == found("deep/a_b_00000-121_0960x0544") == "clips/a_b.mp4"
    assert found("a_c") == "clips/a.mp4"
    assert found("b") is None
    for name in ("a.wav", "a.mp4", "b.mp4", "b.png"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path, _, _ in decoded_files((tmp_path,))] == ["a.wav", "b.mp4"]


def test_thresholds_of_what_is_one_sound() -> None:
    assert kind_of(SAME, None) is Kind.SAME
    assert kind_of(0.38, 1.54) is Kind.NOISE
    assert kind_of(0.65, 1.2) is Kind.SAME
    assert kind_of(0.38, SPOKEN) is Kind.SPEECH
    assert 0.38 < SAME < 0.65


def test_likeness_of_short_and_empty_sounds() -> None:
    quiet = np.zeros(16_000, np.float32)
    assert likeness(quiet[:4000], quiet) is None
    assert pattern_of(quiet[:4000], quiet) == 0.0
    found = likeness(quiet, quiet)
    assert found is not None
    assert found.pattern == 0.0
    assert found.tempo == 1.0


@pytest.mark.models
def test_the_words_are_heard_again(data: Set) -> None:
    data.decode_all(through_aac)
    cut = data.sounds["c1"].copy()
    cut[len(cut) * 2 // 5 :] = 0
    data.decode("c1", cut)
    data.texts["c2"] = 'ema, a voice. Speech: "nothing of the kind was ever said here by anybody"'
    view = data.view()
    found = run(view, "D04")["D04"]
    assert [one.file for one in found] == ["decoded_audio/c1.wav"], (
        "a caption that is wrong of the clip itself is C12's"
    )
    assert "of the words are wrong" in found[0].found
    heard = {one.clip: one.heard for one in view.compared.pairs}
    assert heard["c3.wav"]


def test_without_a_transcriber_it_says_so(data: Set, deaf: None) -> None:
    data.decode_all(lambda sound: sound)
    view = data.view()
    told = list(all_rules()["D04"].check(view))
    assert [one.severity for one in told] == [Severity.INFO]
    assert "no weights are here" in told[0].found
    assert isinstance(view.compared, Comparison)
