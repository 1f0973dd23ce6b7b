"""A01 to A13: each rule over made clips that break it, and over clips that do not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from checking import Kind, Studio, folder_of, found, only, said, seen

from captioner.checks import rules_audio, rules_audio_env
from captioner.checks.findings import Severity
from captioner.checks.rules import all_rules
from captioner.checks.view import View

AIT = "datasets: [{{folder_path: '{folder}', caption_ext: txt, auto_frame_count: true, fps: 25, {more}}}]\n{job}"
SPEAKS = 'ema, she says, "Go on."'


@pytest.fixture
def clips(studio: Studio, tmp_path: Path) -> Path:
    return folder_of(studio, tmp_path / "clips", {"a": Kind(), "b": Kind()})


def put(studio: Studio, folder: Path, **kinds: Kind) -> Path:
    return folder_of(studio, folder, kinds, SPEAKS)


def ids(view: View) -> set[str]:
    return {one.rule for one in found(view)}


def ait(folder: Path, more: str = "do_audio: true", job: str = "") -> View:
    return seen(folder, config=AIT.format(folder=folder, more=more, job=job))


def ltx(folder: Path, rows: list[dict[str, str]], flags: str = "") -> View:
    (folder / "dataset.json").write_text(json.dumps(rows))
    script = folder / "prepare.sh"
    script.write_text(f'python process_dataset.py dataset.json --resolution-buckets "64x64x121" {flags}\n')
    return seen(folder / "dataset.json", "ltx", config=script)


def rows_of(*names: str, **more: str) -> list[dict[str, str]]:
    return [{"caption": SPEAKS, "media_path": f"{name}.mp4", **more} for name in names]


def with_media(view: View, **facts: float) -> View:
    """As if somebody had listened."""
    made = tuple(replace(one, media=replace(one.media, **facts)) for one in view.clips)  # type: ignore[arg-type]
    return replace(view, clips=made, listened=True)


# -- A01 to A05, A07, A13: clips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("trainer", ["ltx", "ai-toolkit", "musubi", "simpletuner", "id-lora", None])
def test_a01_a_silent_film_in_a_speaking_set(studio: Studio, tmp_path: Path, trainer: str | None) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(), b=Kind(seconds=0))
    (folder / "dataset.json").write_text(json.dumps(rows_of("a", "b")))
    told = only(seen(folder, trainer), "A01")
    assert told.file == "b.mp4"
    assert "Go on." in told.found
    if trainer in ("ltx", "id-lora"):
        assert "dropped" in told.cost


def test_a01_films_that_are_all_silent_are_nobodys_loss_where_sound_is_off(studio: Studio, tmp_path: Path) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(seconds=0))
    assert "A01" not in ids(seen(folder))
    assert "A01" not in ids(ait(folder, "do_audio: false"))
    assert "A01" in ids(ait(folder))


def test_a02_this_python_has_no_torchaudio_and_says_so(clips: Path) -> None:
    if subprocess.run([sys.executable, "-c", "import torchaudio"], check=False, capture_output=True).returncode == 0:
        pytest.skip("torchaudio is installed here")
    view = seen(clips, "ltx", python=Path(sys.executable))
    told = only(view, "A02")  # one clip of each kind
    assert "No module named 'torchaudio'" in told.found
    assert "A02" not in ids(seen(clips, "ltx"))
    assert "A02" not in ids(seen(clips, "musubi", python=Path(sys.executable)))


LOADER = """
import av, types
def load(path):
    with av.open(path) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        rate = container.streams.audio[0].rate
    return types.SimpleNamespace(shape=(2, samples)), rate
"""


BROKEN = "raise OSError('libtorchcodec.so: undefined symbol')"
EMPTY = "import types\ndef load(path): return types.SimpleNamespace(shape=(2, 0)), 48000"


@pytest.mark.parametrize(("body", "why"), [(LOADER, None), (BROKEN, "undefined symbol"), (EMPTY, "no samples")])
def test_a02_asks_the_loader_itself(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, why: str | None
) -> None:
    package = tmp_path / "site" / "torchaudio"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    told = rules_audio_env.failure(Path(sys.executable), clips / "a.mp4")
    assert told is None if why is None else why in (told or "")


def test_a02_an_interpreter_that_is_none(clips: Path) -> None:
    assert "cannot be started" in (rules_audio_env.failure(clips / "nothere", clips / "a.mp4") or "")


@pytest.mark.parametrize(("missing", "broken"), [(0.0, False), (0.03, False), (0.06, True), (0.84, True)])
@pytest.mark.parametrize("trainer", ["ltx", "simpletuner", "ai-toolkit", None])
def test_a03_sound_that_ends_too_early(
    studio: Studio, tmp_path: Path, missing: float, broken: bool, trainer: str | None
) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(seconds=round(4.84 - missing, 3)))
    (folder / "dataset.json").write_text(json.dumps(rows_of("a")))
    told = found(seen(folder, trainer), "A03")
    assert len(told) == int(broken)
    if missing == 0.84:
        assert "0.84 s" in told[0].found


def test_a03_musubi_draws_it_out(studio: Studio, tmp_path: Path) -> None:
    told = only(seen(put(studio, tmp_path / "clips", a=Kind(seconds=4.0)), "musubi"), "A03")
    assert "plays 0.83x fast" in told.cost
    assert "A03" not in ids(seen(put(studio, tmp_path / "good", a=Kind(seconds=4.82)), "musubi"))


@pytest.mark.parametrize(("start", "broken"), [(0.0, False), (0.015, False), (0.05, True), (0.476, True)])
@pytest.mark.parametrize("trainer", ["ltx", "musubi", "simpletuner", "ai-toolkit", "id-lora", None])
def test_a04_sound_that_begins_late_is_put_early(
    studio: Studio, tmp_path: Path, start: float, broken: bool, trainer: str | None
) -> None:
    kind = Kind(start=start, seconds=5.2, suffix=".mkv")
    folder = put(studio, tmp_path / "clips", a=kind)
    (folder / "dataset.json").write_text(json.dumps([{"caption": SPEAKS, "media_path": "a.mkv"}]))
    told = found(seen(folder, trainer), "A04")
    assert len(told) == int(broken)
    if start == 0.476:
        assert "0.476 s" in told[0].found
        assert "0.476 s too early" in told[0].cost


def test_a05_two_streams(studio: Studio, tmp_path: Path) -> None:
    told = found(seen(put(studio, tmp_path / "clips", a=Kind(streams=2), b=Kind())), "A05")
    assert [one.file for one in told] == ["a.mp4"]
    assert "2 audio streams" in told[0].found


@pytest.mark.parametrize(
    ("level", "broken"), [(float("-inf"), True), (-61.0, True), (-60.0, False), (-30.0, False)]
)  # fmt: skip
def test_a06_speech_in_the_caption_and_none_in_the_sound(clips: Path, level: float, broken: bool) -> None:
    told = [one for one in found(with_media(seen(clips), level=level, peak=-6.0), "A06") if "Go." in one.found]
    assert len(told) == (2 if broken else 0)


@pytest.mark.parametrize(("peak", "broken"), [(0.0, True), (-0.04, True), (-0.1, False)])
def test_a06_clipping(clips: Path, peak: float, broken: bool) -> None:
    told = [one for one in found(with_media(seen(clips), level=-20.0, peak=peak), "A06") if "peaks" in one.found]
    assert len(told) == (2 if broken else 0)


@pytest.mark.parametrize(("start", "end", "told"), [(0.5, 4.0, 0), (0.01, 4.0, 1), (0.5, 4.83, 1), (0.0, 4.84, 2)])
def test_a06_words_at_the_edges(clips: Path, start: float, end: float, told: int) -> None:
    view = seen(clips, words={"a": said(("One", start, start + 0.2), ("two", end - 0.2, end))})
    view = with_media(view, level=-20.0, peak=-6.0)
    assert len([one for one in found(view, "A06") if "touches" in one.found]) == told


def test_a06_by_ear(studio: Studio, tmp_path: Path) -> None:
    import numpy as np
    from factory import Audio, Video, make

    folder = put(studio, tmp_path / "clips", good=Kind())
    make(folder / "mute.mp4", Video(49), Audio(np.zeros((96_000, 2), dtype=np.float32)))
    (folder / "mute.txt").write_text(SPEAKS)
    view = seen(folder, listen=True)
    assert {one.file for one in found(view, "A06") if one.severity is Severity.ERROR} == {"mute.mp4"}


@pytest.mark.parametrize(("rate", "lost"), [(24, "0.20 s"), (30, "0.81 s of sound have no picture"), (25, None)])
def test_a07_a_column_of_sounds(studio: Studio, tmp_path: Path, rate: int, lost: str | None) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(121, rate, seconds=6.0))
    told = found(ltx(folder, rows_of("a", audio="a.wav")), "A07")
    assert [lost in one.cost for one in told] == ([True] if lost else [])
    assert "A07" not in ids(ltx(folder, rows_of("a")))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Kind(hz=12_000, channels=1), "12000 samples"), (Kind(hz=16_000, channels=1), None),
        (Kind(channels=6), "6 channels"),
    ],
)  # fmt: skip
def test_a13_sound_of_another_kind(studio: Studio, tmp_path: Path, kind: Kind, told: str | None) -> None:
    findings = found(seen(put(studio, tmp_path / "clips", a=kind)), "A13")
    assert [told in one.found for one in findings] == ([True] if told else [])
    assert all(one.severity is Severity.INFO for one in findings)


# -- A08 to A12: settings ----------------------------------------------------------------------------------------------

BACKEND = {"id": "a", "type": "local", "dataset_type": "video", "caption_strategy": "textfile",
           "video": {"num_frames": 121, "min_frames": 121}}  # fmt: skip


@pytest.mark.parametrize(
    ("audio", "told"),
    [
        (None, "has no audio block"), ({"channels": 1}, "channels is 1"), ({"channels": 2}, None), ({}, None),
        ({"auto_split": False}, "auto_split is false"), ({"allow_zero_audio": True}, None),
    ],
)  # fmt: skip
def test_a08_simpletuners_audio_block(clips: Path, audio: dict[str, object] | None, told: str | None) -> None:
    block = BACKEND | {"instance_data_dir": str(clips)} | ({} if audio is None else {"audio": audio})
    findings = found(seen(clips, config=json.dumps([block]), name="multidatabackend.json"), "A08")
    assert [told in one.found for one in findings] == ([True] if told else [])


@pytest.mark.parametrize(("interval", "lost"), [(None, "2.00 s"), (3.0, "2.00 s"), (0.04, None), (2.5, None)])
def test_a08_sound_alone_is_cut_to_whole_intervals(
    studio: Studio, tmp_path: Path, interval: float | None, lost: str | None
) -> None:
    folder = put(studio, tmp_path / "sound", a=Kind(alone=True, seconds=5.0, suffix=".wav"))
    audio = {"channels": 2} | ({"duration_interval": interval} if interval else {})
    block = {"id": "s", "type": "local", "dataset_type": "audio", "instance_data_dir": str(folder),
             "caption_strategy": "textfile", "audio": audio}  # fmt: skip
    told = found(seen(folder, config=json.dumps([block]), name="multidatabackend.json"), "A08")
    assert [f"the last {lost}" in one.cost for one in told] == ([True] if lost else [])


CALLS = ("ltx2_cache_latents.py", "ltx2_cache_text_encoder_outputs.py", "ltx2_train_network.py")


@pytest.mark.parametrize("deaf", [*CALLS, None, "no script"])
def test_a09_all_three_commands_must_say_av(clips: Path, deaf: str | None) -> None:
    if deaf != "no script":
        lines = [f"python {call}{'' if call == deaf else ' --ltx2_mode av'} --dataset_config d.toml" for call in CALLS]
        (clips.parent / "run.sh").write_text("\n".join(lines))
    config = f'[[datasets]]\nvideo_directory = "{clips}"\ncaption_extension = ".txt"\ntarget_frames = [121]\n'
    told = found(seen(clips, config=config, name="d.toml"), "A09")
    if deaf is None:
        assert told == []
    elif deaf == "no script":
        assert [one.severity for one in told] == [Severity.INFO]
    else:
        assert [(one.severity, one.line) for one in told] == [(Severity.ERROR, CALLS.index(deaf) + 1)]


def test_a10_sound_files_are_looked_for_under_another_name(clips: Path) -> None:
    (clips.parent / "run.sh").write_text(
        "".join(f"python {call} --ltx2_mode av --ltx2_audio_source audio_files\n" for call in CALLS)
    )
    config = f'[[datasets]]\nvideo_directory = "{clips}"\ncaption_extension = ".txt"\ntarget_frames = [121]\n'
    (clips / "a.wav").write_bytes(b"")
    (clips / "b_00000-121.wav").write_bytes(b"")
    told = only(seen(clips, config=config, name="d.toml"), "A10")
    assert told.file == "a.mp4"
    assert "a_00000-121.wav" in told.found


def test_a11_ai_toolkit_is_deaf_unless_told(clips: Path) -> None:
    absent = only(ait(clips, "num_repeats: 1"), "A11")
    assert "is not given, and its default is false" in absent.found
    assert "the sound of 2 clips is never trained" in absent.cost
    assert "is false" in only(ait(clips, "do_audio: false"), "A11").found
    assert "A11" not in ids(ait(clips))


@pytest.mark.parametrize(("batch", "broken"), [(1, False), (2, True)])
def test_a11_a_batch_of_silent_and_speaking_clips(studio: Studio, tmp_path: Path, batch: int, broken: bool) -> None:
    mixed = put(studio, tmp_path / "clips", a=Kind(), b=Kind(seconds=0))
    assert ("A11" in ids(ait(mixed, job=f"train: {{batch_size: {batch}}}"))) is broken
    same = put(studio, tmp_path / "same", a=Kind(), b=Kind())
    assert "A11" not in ids(ait(same, job=f"train: {{batch_size: {batch}}}"))


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("ref.wav", None), ("a.mp4", "its own reference"), ("gone.wav", "is not there"), ("short.wav", "lasts 2.9 s"),
        ("three.wav", None), ("long.wav", "lasts 9.0 s"), ("mute.mp4", "has no sound"), ("", "has no reference"),
    ],
)  # fmt: skip
def test_a12_references(studio: Studio, tmp_path: Path, reference: str, told: str | None) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(), b=Kind())
    for name, seconds in (("ref", 5.0), ("short", 2.9), ("three", 3.0), ("long", 9.0)):
        studio.put(folder / f"{name}.wav", Kind(alone=True, suffix=".wav", seconds=seconds))
    studio.put(folder / "mute.mp4", Kind(seconds=0))
    (folder / "dataset.csv").write_text(f"caption,media_path,reference\nema says hi,a.mp4,{reference}\n")
    (folder / "run.sh").write_text(
        'python process_dataset.py dataset.csv --resolution-buckets "64x64x121" --with-audio '
        "--reference-column reference\n"
    )
    findings = found(seen(folder / "dataset.csv", config=folder / "dataset.csv"), "A12")
    assert [told in one.found for one in findings] == ([True] if told else [])
    assert all(one.line == 2 for one in findings)


@pytest.mark.parametrize("flag", ["--with-audio", "--reference-column reference"])
def test_a12_flags(studio: Studio, tmp_path: Path, flag: str) -> None:
    folder = put(studio, tmp_path / "clips", a=Kind(), b=Kind())
    studio.put(folder / "ref.wav", Kind(alone=True, suffix=".wav", seconds=5.0))
    (folder / "dataset.csv").write_text("caption,media_path,reference\nema says hi,a.mp4,ref.wav\n")
    given = 'python process_dataset.py dataset.csv --resolution-buckets "64x64x121" --with-audio '
    (folder / "run.sh").write_text(f"{given} --reference-column reference\n".replace(flag, ""))
    told = only(seen(folder / "dataset.csv", "id-lora", config=folder / "dataset.csv"), "A12")
    assert flag.split()[0] in told.found


@pytest.mark.parametrize(("name", "value"), [("LATE", 10.0), ("SILENT", -200.0), ("CLIPPED", 9.0), ("LEAST_RATE", 100)])
def test_thresholds_are_what_the_tests_above_rest_on(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    kind = Kind(start=0.476, seconds=5.2, suffix=".mkv", hz=12_000, channels=1)
    view = with_media(seen(put(studio, tmp_path / "clips", a=kind)), level=-70.0, peak=0.0)
    rule = {"LATE": "A04", "SILENT": "A06", "CLIPPED": "A06", "LEAST_RATE": "A13"}[name]
    before = len(found(view, rule))
    monkeypatch.setattr(rules_audio, name, value)
    assert len(found(view, rule)) == before - 1


def test_every_rule_of_sound_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f"def test_{one.lower()}_" in text for one in all_rules() if one[0] == "A")
