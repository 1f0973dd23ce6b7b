"""Speakers over a whole dataset, through the build and the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import pytest

import captioner
from captioner import cli
from captioner.errors import StoreError, UsageError
from captioner.journal import NAME, append_decision, read_journal
from captioner.speakerlist import Listed, speakers
from captioner.speech.people import Anchor, Decision
from captioner.summary import Summary
from captioner.times import Span
from tests.hearing import RATE

SAMPLE = Path(__file__).parent.parent / "sample_dataset"


# -- the journal ------------------------------------------------------------------------------------------------------


def test_the_journal_gives_back_what_was_said(tmp_path: Path) -> None:
    anchor = Anchor("c0ffee", "take 1.mp4", (Span(0.5, 2.25),), 1.75, bytes(range(192)))
    said = [
        Decision(
            "name", "SPEAKER_00", name="zoë", subject='a "tall" woman', voices={"SPEAKER_00": (anchor,)}, when="t"
        ),
        Decision("split", "SPEAKER_01", moved=(anchor,), cuts=(("c0ffee", Span(1.0, 3.0)),)),
        Decision("undo"),
    ]
    assert read_journal(tmp_path) == []
    for decision in said:
        append_decision(tmp_path, decision)
    assert read_journal(tmp_path) == said


def test_half_a_line_of_a_crash_is_passed_by_and_replaced(tmp_path: Path) -> None:
    append_decision(tmp_path, Decision("name", "SPEAKER_00", name="ema"))
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"v":1,"do":"na')
    assert [decision.name for decision in read_journal(tmp_path)] == ["ema"]
    append_decision(tmp_path, Decision("forget", "SPEAKER_00"))
    assert [decision.do for decision in read_journal(tmp_path)] == ["name", "forget"]


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"v":9,"do":"name"}', '{"v":1,"do":"dance"}', '{"v":1}'])
def test_a_line_that_is_no_decision_is_named_never_skipped(tmp_path: Path, line: str) -> None:
    append_decision(tmp_path, Decision("name", "SPEAKER_00", name="ema"))
    with (tmp_path / NAME).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(StoreError, match=rf"{NAME}, line 2"):
        read_journal(tmp_path)


# -- a dataset of two recordings --------------------------------------------------------------------------------------


def wav_of(name: str, target: Path, start: float = 0.0, end: float = 1e9) -> None:
    """Seconds of a sample's sound, as 16 kHz WAV."""
    import wave

    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(next((SAMPLE / "raw").rglob(name)))) as media:
        frames = [frame for whole in [*media.decode(audio=0), None] for frame in resampler.resample(whole)]
    data = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data[round(start * RATE) * 2 : round(min(end, 1e4) * RATE) * 2])


def words_of(name: str, target: Path) -> None:
    """The truth's lines as CTM, their words spread evenly: what is said is not what these tests are about."""
    lines = json.loads((SAMPLE / "truth" / f"{name}.lines.json").read_text(encoding="utf-8"))
    rows = []
    for line in lines:
        said = line["text"].split()
        each = (line["end"] - line["start"] - 0.1) / len(said)
        rows += [
            f"{name} 1 {line['start'] + 0.05 + i * each:.3f} {each:.3f} {word} 0.95" for i, word in enumerate(said)
        ]
    target.write_text("\n".join(rows) + "\n", encoding="utf-8")


class Made:
    """A folder of recordings and the dataset built of them."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.words, self.out = folder / "raw", folder / "words", folder / "set_dataset"

    def build(self, names: Sequence[str], **options: Any) -> Summary:
        given = {"yes": True, "trigger": "trig", "asr": "ctm", "asr_options": {"path": str(self.words)}, **options}
        return captioner.build([self.raw / name for name in names], self.out, include_doubted=True, **given)

    def captions(self) -> dict[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted((self.out / "clips").glob("*.txt"))}

    def listed(self) -> dict[str, Listed]:
        return {one.speaker: one for one in speakers(self.out)}

    def run(self, *words: str) -> int:
        return cli.main(["speakers", *words])


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = Made(tmp_path_factory.mktemp("speakers"))
    made.raw.mkdir()
    made.words.mkdir()
    for name in ("interview", "hotline"):
        wav_of(f"{name}.mp4", made.raw / f"{name}.wav")
        words_of(name, made.words / f"{name}.ctm")
    wav_of("sonnet.mp4", made.raw / "reference.flac.wav", 2.0, 12.0)
    made.build(["interview.wav"])
    made.build(["hotline.wav", "interview.wav"])
    return made


@pytest.fixture
def made(first: Made, tmp_path: Path) -> Made:
    """A dataset that a test may change: three voices in an interview, the first of them alone in a second recording."""
    own = Made(first.raw.parent)
    own.out = tmp_path / "set_dataset"
    shutil.copytree(first.out, own.out, copy_function=shutil.copy2)
    return own


@pytest.mark.models
def test_a_voice_has_one_name_in_all_recordings_and_keeps_it(made: Made) -> None:
    listed = made.listed()
    assert list(listed) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"] or set(listed) == {
        "SPEAKER_00", "SPEAKER_01", "SPEAKER_02",
    }  # fmt: skip
    assert listed["SPEAKER_00"].recordings == 2, "the interview came first: its first voice is that of the hotline"
    assert all(one.clips and one.best and Path(one.best).is_file() for one in listed.values())
    turns = (made.out / "turns" / "hotline.rttm").read_text(encoding="utf-8")
    assert "SPEAKER_00" in turns
    assert "SPEAKER_01" not in turns


@pytest.mark.models
def test_a_name_is_in_the_captions_at_once_and_an_edit_stays(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    before = made.captions()
    edited = next(id_ for id_ in before if id_.startswith("hotline"))
    (made.out / "clips" / f"{edited}.txt").write_text("my own words\n", encoding="utf-8")
    assert made.run("name", str(made.out), "SPEAKER_00", "ema", "--subject", "a young woman", "--trigger", "ema_v") == 0
    assert edited in capsys.readouterr().out
    after = made.captions()
    assert after[edited] == "my own words\n"
    hers = [id_ for id_ in after if after[id_].startswith("ema_v, a young woman")]
    assert {id_.split("_")[0] for id_ in hers} == {"hotline", "interview"}
    assert all(after[id_] == before[id_] for id_ in after if id_ not in hers and id_ != edited)
    summary = made.build(["hotline.wav", "interview.wav"])
    assert made.captions() == after, "a build after it changes nothing"
    assert {"vad", "diarizer", "asr", "voice"}.isdisjoint(name.split()[0] for name in summary.seconds)
    assert {clip.speaker for clip in summary.clips} == {"ema", "SPEAKER_01", "SPEAKER_02"}


@pytest.mark.models
def test_what_a_person_said_survives_the_loss_of_the_store(made: Made) -> None:
    made.run("name", str(made.out), "SPEAKER_02", "zoe", "--subject", "an old man")
    made.run("split", str(made.out), "SPEAKER_00", "hotline")
    kept, said = made.captions(), made.listed()
    shutil.rmtree(made.out / ".captioner")
    shutil.rmtree(made.out / "clips")
    made.build(["hotline.wav", "interview.wav"])
    assert made.captions() == kept
    assert {id_: (one.name, one.clips) for id_, one in made.listed().items()} == {
        id_: (one.name, one.clips) for id_, one in said.items()
    }
    assert made.listed()["SPEAKER_03"].recordings == 1


@pytest.mark.models
def test_merge_split_and_undo(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    clips = {id_: one.clips for id_, one in made.listed().items()}
    assert made.run("merge", str(made.out), "SPEAKER_01", "SPEAKER_02") == 0
    assert made.listed()["SPEAKER_01"].clips == clips["SPEAKER_01"] + clips["SPEAKER_02"]
    assert made.run("undo", str(made.out)) == 0
    assert {id_: one.clips for id_, one in made.listed().items()} == clips
    one = next(id_ for id_ in made.captions() if id_.startswith("hotline"))
    assert made.run("split", str(made.out), "SPEAKER_00", one) == 0
    after = made.listed()
    assert (after["SPEAKER_03"].clips, after["SPEAKER_00"].clips) == (1, clips["SPEAKER_00"] - 1)
    made.build(["hotline.wav", "interview.wav"])
    assert made.listed()["SPEAKER_03"].clips == 1, "a build keeps it"
    capsys.readouterr()


@pytest.mark.models
def test_a_reference_clip_names_the_voice(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert made.run("enrol", str(made.out), "reader", str(made.raw / "reference.flac.wav")) == 0
    named = [one for one in made.listed().values() if one.name == "reader"]
    assert [one.recordings for one in named] == [1]
    assert "creatures" in (named[0].text or "") or named[0].clips >= 3, "who reads the sonnet"
    capsys.readouterr()


@pytest.mark.models
def test_only_some_speakers_clips_are_written_and_the_others_are_listed(made: Made) -> None:
    made.run("name", str(made.out), "SPEAKER_00", "ema")
    everything = made.captions()
    summary = made.build(["hotline.wav", "interview.wav"], only="ema")
    assert {clip.speaker for clip in summary.clips} == {"ema"}
    assert set(made.captions()) == set(summary.written)
    lost = [one for one in summary.lost if one.reason == "other-speaker"]
    assert len(lost) == len(everything) - len(summary.clips)
    assert {one.speaker for one in lost} == {"SPEAKER_01", "SPEAKER_02"}
    with pytest.raises(UsageError, match=r"nobody is called bob; there are SPEAKER_01"):
        made.build(["hotline.wav", "interview.wav"], only="ema,bob")


@pytest.mark.models
def test_names_are_replayed_from_the_turns_that_were_written(made: Made, tmp_path: Path) -> None:
    made.run("name", str(made.out), "SPEAKER_00", "ema", "--subject", "a young woman")
    made.build(["hotline.wav", "interview.wav"])
    shutil.copytree(made.out / "turns", tmp_path / "turns")
    again = Made(made.raw.parent)
    again.out = tmp_path / "again"
    summary = again.build(
        ["hotline.wav", "interview.wav"], diarizer="rttm", diarizer_options={"path": str(tmp_path / "turns")}
    )
    assert {clip.speaker for clip in summary.clips} == {"ema", "SPEAKER_01", "SPEAKER_02"}
    assert {one.speaker: one.recordings for one in speakers(again.out)}["ema"] == 2
    assert cli.main(["speakers", "name", str(again.out), "SPEAKER_01", "bob", "--subject", "a man"]) == 0
    assert any("a man" in text for text in again.captions().values())


@pytest.mark.models
def test_the_dataset_is_found_in_or_beside_the_folder(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(made.out)
    assert made.run("--json") == 0
    assert {one["speaker"] for one in json.loads(capsys.readouterr().out)} == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    monkeypatch.chdir(made.out.parent)
    assert made.run("name", "SPEAKER_01", "bob") == 0
    assert made.run() == 0
    assert "bob (SPEAKER_01)" in capsys.readouterr().out
    shutil.copytree(made.out, made.out.parent / "b_dataset")
    assert made.run() == cli.USAGE
    assert "b_dataset, set_dataset" in capsys.readouterr().err


@pytest.mark.models
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["name", "OUT", "SPEAKER_09", "ema"], "there is no speaker SPEAKER_09; there are SPEAKER_00, SPEAKER_01"),
        (["name", "OUT", "SPEAKER_00", "e,m"], "without blanks, commas"),
        (["name", "OUT", "SPEAKER_00"], "usage: captioner speakers name"),
        (["merge", "OUT", "SPEAKER_00", "SPEAKER_00"], "with itself"),
        (["split", "OUT", "SPEAKER_01", "hotline"], "it speaks in interview.wav"),
        (["split", "OUT", "SPEAKER_01", "interview"], "all of SPEAKER_01"),
        (["enrol", "OUT", "ema", "nowhere.wav"], "no such file"),
        (["undo", "OUT"], "nothing to take back"),
        (["name", "/nowhere", "SPEAKER_00", "ema"], "not a dataset"),
        (["merge", "OUT", "SPEAKER_00", "SPEAKER_01", "--subject", "x"], "--subject and --trigger go with"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_written(
    first: Made, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first.run(*(str(first.out) if word == "OUT" else word for word in words)) == cli.USAGE
    assert told in capsys.readouterr().err
    assert not (first.out / NAME).exists()


@pytest.mark.models
def test_a_name_is_given_once(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    made.run("name", str(made.out), "SPEAKER_00", "ema")
    assert made.run("name", str(made.out), "SPEAKER_01", "ema") == cli.USAGE
    assert "merge" in capsys.readouterr().err
    assert made.run("forget", str(made.out), "ema") == 0
    assert made.listed()["SPEAKER_00"].name is None
