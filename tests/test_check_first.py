"""`captioner check` as somebody meets it first: wrong folders, odd names, folders of exports."""

from __future__ import annotations

import json
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from captioner import cli
from captioner.checks import running
from captioner.trainers._buckets import MOST_CROP, Bucket, chosen, common_buckets, cropped
from captioner.trainers._window import ClipFacts
from tests.cachefiles import conditions, latents, sound, write_pt, write_safetensors
from tests.check_sets import clip

GOOD = 'ema_voice, a woman speaks. Speech: "I think we should go." Sounds: quiet room tone.'


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path_factory.mktemp("cache") / "checks.sqlite"
    monkeypatch.setattr(running, "default_place", lambda: place)


def run(*arguments: str | Path) -> int:
    return cli.main(["check", *map(str, arguments)])


def report(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    run(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


# -- what is no dataset ----------------------------------------------------------------------------------------------


def test_a_folder_without_clips_is_no_clean_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.md").write_text("x")
    assert run(tmp_path) == 2
    assert "no clip is in it" in capsys.readouterr().err
    clip(tmp_path, "a.mp4", GOOD)
    assert run(tmp_path) == 0


def test_a_list_of_clips_that_are_gone_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.jsonl").write_text('{"video_path": "/gone/a.mp4", "caption": "ema, hi."}\n')
    assert run(tmp_path / "d.jsonl") == 2
    assert "not one clip that it lists is here" in capsys.readouterr().err


def test_a_python_that_is_not_there_is_told_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip(tmp_path, "a.mp4", GOOD)
    assert run(tmp_path, "--python", tmp_path / "nowhere") == 2
    assert "no such program" in capsys.readouterr().err
    assert run(tmp_path, "--python", sys.executable) == 0


def test_without_a_config_it_is_said_whose_settings_are_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip(tmp_path, "a.mp4", GOOD)
    run(tmp_path, "--trainer", "ai-toolkit")
    said = capsys.readouterr().out
    assert "note: no --config: " in said
    assert "captioner export --to ai-toolkit" in said
    run(tmp_path)
    assert "no --config:" not in capsys.readouterr().out


# -- odd files -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
@pytest.mark.parametrize("inside", [True, False])
def test_a_name_that_is_no_text_is_checked_and_shown(
    tmp_path: Path, inside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(b"bad\xff")
    folder = tmp_path / "set" if inside else tmp_path / odd
    clip(folder, "a.mp4", None)
    if inside:
        (folder / "a.mp4").rename(folder / f"{odd}.mp4")
    for _ in range(2):  # remembered or not
        told = report(capsys, folder)
        assert [one["file"] for one in told["findings"] if one["rule"] == "F01"] == [
            "bad\\udcff.mp4" if inside else "a.mp4"
        ]
    assert run(folder) == 1
    assert "F01" in capsys.readouterr().out


def test_a_link_to_nothing_is_a_clip_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip(tmp_path, "a.mp4", GOOD)
    (tmp_path / "b.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "b.txt").write_text(GOOD)
    told = report(capsys, tmp_path)
    assert [(one["rule"], one["file"]) for one in told["findings"] if one["severity"] == "error"] == [("F11", "b.mp4")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_among_the_clips_is_passed_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip(tmp_path, "a.mp4", GOOD)
    for name in ("b.mp4", "b.txt", "d.json"):
        os.mkfifo(tmp_path / name)
    assert report(capsys, tmp_path)["clips"] == 1
    assert cli.main(["check-lora", str(tmp_path / "b.mp4")]) == 2
    assert "a pipe or a device" in capsys.readouterr().err


# -- folders of exports ----------------------------------------------------------------------------------------------


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Clips without captions beside them, and a listing that has those."""
    rows = []
    for name, words in (("a", "go"), ("b", "stay here now")):
        path = clip(tmp_path / "out", f"clips/{name}.mp4", None)
        rows.append({"video_path": str(path), "media_path": f"clips/{name}.mp4", "caption": GOOD.replace("go", words)})
    (tmp_path / "out" / "video.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "out"


@pytest.mark.parametrize("trainer", [None, "musubi", "ltx"])
def test_captions_in_a_listing_are_read(
    exported: Path, trainer: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    told = report(capsys, exported, *(["--trainer", trainer] if trainer else []))
    assert {one["rule"] for one in told["findings"]} & {"F01", "F02"} == set()
    assert told["clips"] == 2


@pytest.mark.parametrize(
    ("trainer", "severity"), [("ltx", "error"), ("musubi", "error"), (None, "warning"), ("ai-toolkit", None)]
)
def test_a_clip_that_is_listed_and_gone_is_told(
    exported: Path, trainer: str | None, severity: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported / "clips" / "b.mp4").unlink()
    if trainer == "musubi":  # its own column alone, with whole paths
        rows = [json.loads(line) for line in (exported / "video.jsonl").read_text().splitlines()]
        own = [{"video_path": row["video_path"], "caption": row["caption"]} for row in rows]
        (exported / "video.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    told = report(capsys, exported, *(["--trainer", trainer] if trainer else []))
    gone = [one for one in told["findings"] if one["rule"] == "F03"]
    assert [(one["file"], one["line"], one["severity"]) for one in gone] == (
        [("video.jsonl", 2, severity)] if severity else []
    )
    assert all("listed and not there" in one["found"] for one in gone)


def test_a_trainer_that_reads_none_misses_them(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(capsys, exported, "--trainer", "ai-toolkit")
    assert [one["file"] for one in told["findings"] if one["rule"] == "F01"] == ["clips/a.mp4", "clips/b.mp4"]


def test_a_caption_beside_a_clip_comes_before_the_listing(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (exported / "clips" / "a.txt").write_text(" \n")
    told = report(capsys, exported, "--trainer", "musubi")
    assert [(one["rule"], one["file"]) for one in told["findings"] if one["severity"] == "error"] == [
        ("F02", "clips/a.txt")
    ]


def test_the_clips_folder_of_such_an_export_is_told_once(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(capsys, exported / "clips", "--trainer", "ltx")
    (one,) = [one for one in told["findings"] if one["rule"] == "F01"]
    assert "reads no .txt" in one["found"]
    assert "give the .json or .csv" in one["fix"]


def test_sound_alone_and_film_of_one_config_are_no_strangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is prepared by a command of its own; the training YAML trains what one of them writes."""
    clip(tmp_path, "a.mp4", GOOD)
    clip(tmp_path, "b.wav", None, seconds=1.0)
    (tmp_path / "dataset.json").write_text(json.dumps([{"media_path": "a.mp4", "caption": GOOD}]))
    (tmp_path / "audio.json").write_text(json.dumps([{"audio": "b.wav", "caption": GOOD.replace("go", "stay")}]))
    (tmp_path / "prepare.sh").write_text(
        f'python process_dataset.py {tmp_path}/dataset.json --resolution-buckets "64x64x9"\n'
        f"python process_dataset.py {tmp_path}/audio.json --audio-durations 1.0 --output-dir {tmp_path}/sound\n"
    )
    (tmp_path / "train.yaml").write_text(
        "model: {model_path: m}\ntraining_strategy: {name: flexible, audio: {is_generated: true}}\n"
        f"optimization: {{batch_size: 1}}\ndata: {{preprocessed_data_root: {tmp_path}/.precomputed}}\n"
    )
    for folder in ("latents", "conditions", "audio_latents"):
        values = {"latents": latents(2), "conditions": conditions(), "audio_latents": sound(0.36)}[folder]
        write_pt(tmp_path / ".precomputed" / folder / "a.pt", values)
    both = report(capsys, tmp_path / "train.yaml")["datasets"]
    assert [one["clips"] for one in both] == [1, 1]
    assert [found for one in both for found in one["findings"] if found["rule"][0] in "PK"] == []
    assert "K02" in both[0]["ran"]
    assert "K02" not in both[1]["ran"]  # the latents of the film are none of its own


@pytest.mark.parametrize("config", [True, False])
def test_a_cache_without_sound_is_made_again_and_the_switch_named_where_it_may_be_off(
    tmp_path: Path, config: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = clip(tmp_path / "set", "a.mp4", GOOD)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    cache = write_safetensors(tmp_path / "set" / "_latent_cache" / "a_0123.safetensors", {"latent": ("BF16", (2, 2))})
    os.utime(cache, (1, 1))
    (tmp_path / "train.yaml").write_text(
        f"datasets: [{{folder_path: '{tmp_path / 'set'}', auto_frame_count: true, fps: 25, do_audio: true}}]\n"
    )
    more = ["--config", tmp_path / "train.yaml"] if config else ["--trainer", "ai-toolkit"]
    told = [one for one in report(capsys, tmp_path / "set", *more)["findings"] if one["rule"] == "K05"]
    assert [one["fix"].startswith("set do_audio") for one in told if "no audio_latent" in one["found"]] == [not config]
    assert "older than a.mp4 by 11,574 days" in {one["found"] for one in told}


# -- buckets that an export writes -----------------------------------------------------------------------------------


def test_every_shape_gets_a_bucket_of_its_own() -> None:
    wide = [ClipFacts(frames, Fraction(25), 768, 432) for frames in (49, 97, 121, 97)]
    tall = [ClipFacts(frames, Fraction(25), 432, 768) for frames in (121, 65)]
    near = [ClipFacts(73, Fraction(25), 720, 432)]
    made = common_buckets([*wide, *tall, *near])
    assert {(one.width, one.height) for one in made} == {(768, 448), (448, 768)}
    for one in (*wide, *tall, *near):
        bucket = chosen(one, made)
        assert bucket is not None
        assert bucket.frames == one.frames
        assert cropped((one.width, one.height), (bucket.width, bucket.height)) <= MOST_CROP


@pytest.mark.parametrize(
    ("size", "bucket", "share"), [((64, 64), (64, 64), 0.0), ((128, 64), (64, 64), 0.5), ((64, 128), (64, 64), 0.5)]
)
def test_what_covering_a_bucket_cuts_off(size: tuple[int, int], bucket: tuple[int, int], share: float) -> None:
    assert cropped(size, bucket) == pytest.approx(share)
    assert Bucket(*bucket, 9)
