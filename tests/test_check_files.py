"""Rules F01 to F20: each finds a made dataset that has the fault, and says nothing of one that has not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from captioner.checks.findings import Severity
from tests.check_sets import clip, found

Build = Callable[[Path], None]


def listing(root: Path, rows: object, name: str = "dataset.json") -> None:
    (root / name).write_text(json.dumps(rows), encoding="utf-8")


def row(name: str, caption: str = "ema_voice, a woman.", **more: str) -> dict[str, str]:
    return {"caption": caption, "media_path": name, **more}


def two(root: Path, first: str = "a.mp4", second: str = "b.mp4") -> None:
    clip(root, first)
    clip(root, second)


def no_text(root: Path) -> None:
    clip(root, "a.mp4", None)


def utf16(root: Path) -> None:
    clip(root, "a.mp4", "ema".encode("utf-16"))


def listed(*rows: object, name: str = "dataset.json") -> Build:
    def build(root: Path) -> None:
        two(root)
        listing(root, list(rows), name)

    return build


def lines(*texts: str, name: str = "dataset.jsonl", head: bytes = b"") -> Build:
    def build(root: Path) -> None:
        two(root)
        (root / name).write_bytes(head + "".join(f"{text}\n" for text in texts).encode())

    return build


def files(*names: str) -> Build:
    def build(root: Path) -> None:
        for name in names:
            if name.endswith((".mp4", ".wav", ".mkv", ".MP4", ".Mp4", ".mpg")):
                clip(root, name)
            else:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"ema_voice")

    return build


def latent(root: Path) -> None:
    clip(root, "latent_a.mp4")
    listing(root, [row("latent_a.mp4")])


def broken(root: Path) -> None:
    (root / "a.mp4").write_bytes(b"not a film")
    (root / "a.txt").write_text("ema_voice, a woman.")


ROW, OTHER = json.dumps(row("a.mp4")), json.dumps(row("b.mp4"))

FAULTS: list[tuple[str, str | None, Build, Build, str]] = [
    ("F01", None, no_text, two, "no a.txt"),
    ("F01", None, utf16, two, "UTF-16"),
    ("F01", "ltx", two, listed(row("a.mp4"), row("b.mp4")), "metadata"),
    ("F01", "ltx", listed(row("a.mp4"), {"media_path": "b.mp4"}), listed(row("a.mp4"), row("b.mp4")), "no caption"),
    ("F02", None, lambda root: clip(root, "a.mp4", " \n\t") and None, two, "empty"),
    ("F02", "ltx", listed(row("a.mp4", " "), row("b.mp4")), listed(row("a.mp4"), row("b.mp4")), "empty"),
    ("F03", None, files("a.mp4", "c.txt"), two, "no clip"),
    ("F03", "musubi", files("a.Mp4"), files("a.MP4"), ".Mp4"),
    ("F04", None, files("a.mp4", "a.mkv"), files("a.mp4", "x/a.mkv"), "share the name a"),
    ("F05", "musubi", files("a.mp4", "x/a.mp4"), files("a.mp4", "x/b.mp4"), "x"),
    ("F06", "ai-toolkit", files("a.mp4", "rejects/b.mp4"), files("a.mp4", "evening/b.mp4"), "rejects"),
    ("F06", "simpletuner", files("a.mp4", ".old/b.mp4"), files("a.mp4", "evening/b.mp4"), ".old"),
    ("F07", "ai-toolkit", files("a.mp4", "sheet.PNG"), files("a.mp4", "sheet.pdf"), "picture"),
    ("F07", "simpletuner", files("a.mp4", "a.tiff"), files("a.mp4"), "picture"),
    ("F08", "ltx", latent, listed(row("a.mp4")), "latent_a"),
    ("F09", "ltx", listed(row("../a.mp4")), listed(row("./a.mp4"), row("x..y/b.mp4")), ".."),
    ("F10", "id-lora", listed(row("/data/a.mp4")), listed(row("a.mp4")), "absolute"),
    ("F11", "ai-toolkit", files("a.mpg"), files("a.mkv"), ".mpg"),
    ("F11", "ai-toolkit", files("a.wav"), files("a.mp4"), ".wav"),
    ("F11", None, broken, two, "not a media file"),
    ("F12", None, lambda root: clip(root, "a.mp4", b"\xef\xbb\xbfema") and None, two, "byte order mark"),
    ("F12", "ltx", lines(ROW, "", OTHER), lines(ROW, OTHER), "empty"),
    ("F12", "ltx", lines(ROW, head=b"\xef\xbb\xbf"), lines(ROW), "byte order mark"),
    ("F12", "ltx", listed(row("a.mp4"), name="dataset.JSON"), listed(row("a.mp4")), ".JSON"),
    ("F12", "ltx", lines(ROW, '{"caption": '), lines(ROW), "not JSON"),
    ("F13", None, files("a .mp4"), files("a b.mp4"), "blanks"),
    ("F13", "ltx", listed(row("x\\a.mp4")), listed(row("a.mp4")), "backslash"),
    ("F14", "ltx", listed(row("a.mp4"), row("b.mp4", reference_audio="b.wav")), listed(row("a.mp4"), row("b.mp4")),
     "not in the first record"),
    ("F14", "ltx", listed(row("a.mp4", audio="a.wav"), row("b.mp4")), listed(row("a.mp4"), row("b.mp4", note="x")),
     "first record"),
    ("F15", "ltx", listed(row("a.mp4", video="a.mp4")), listed(row("a.mp4")), "video"),
    ("F16", "ltx", listed(row("a.mp4", audio="a soft voice")), listed(row("a.mp4", audio="b.mp4")), "a soft voice"),
    ("F17", "ltx", listed(row("a.mp4"), row("./a.mp4", "other")), listed(row("a.mp4"), row("b.mp4")), "a.mp4"),
    ("F18", "ltx", lines("caption,media_path", "NA,a.mp4", name="d.csv"),
     lines("caption,media_path", "NAN is her name,a.mp4", name="d.csv"), "NA"),
    ("F19", "ltx", listed({"caption": "x", "video": "a.mp4"}), listed(row("a.mp4")), "video"),
    ("F19", "ltx", listed(row("a.mp4", mood="calm")), listed({"caption": "x", "audio": "a.wav"}), "mood"),
    ("F20", "musubi", lines(json.dumps({"video_path": "a.mp4", "caption": "x"})),
     lines(json.dumps({"video_path": "/data/a.mp4", "caption": "x"})), "a.mp4"),
]  # fmt: skip


IDS = [f"{rule}-{trainer}-{number}" for number, (rule, trainer, *_) in enumerate(FAULTS)]


@pytest.mark.parametrize(("rule", "trainer", "bad", "good", "word"), FAULTS, ids=IDS)
def test_finds_the_fault_and_nothing_else(
    rule: str, trainer: str | None, bad: Build, good: Build, word: str, tmp_path: Path
) -> None:
    for name, build in (("bad", bad), ("good", good)):
        (tmp_path / name).mkdir()
        build(tmp_path / name)
    faults = found(tmp_path / "bad", rule, trainer=trainer)
    assert faults
    assert all(one.cost and one.fix for one in faults)
    assert any(word in one.found for one in faults)
    assert found(tmp_path / "good", rule, trainer=trainer) == []


def test_a_caption_by_another_name_is_given_to_its_clip(tmp_path: Path) -> None:
    clip(tmp_path, "a.mp4", None)
    clip(tmp_path, "B.mp4", None)
    (tmp_path / "a.mp4.txt").write_text("ema")
    (tmp_path / "b.TXT").write_text("ema")
    assert sorted(one.fix for one in found(tmp_path, "F03")) == ["rename it to B.txt", "rename it to a.txt"]


def test_two_clips_of_one_name_have_the_same_caption(tmp_path: Path) -> None:
    files("a.mp4", "a.mkv")(tmp_path)
    assert found(tmp_path, "F01") == []


def test_a_listing_can_be_the_dataset(tmp_path: Path) -> None:
    two(tmp_path)
    listing(tmp_path, [row("a.mp4", "")])
    (one,) = found(tmp_path / "dataset.json", "F02")
    assert (one.file, one.severity) == ("a.mp4", Severity.ERROR)


def test_lines_of_records_are_told(tmp_path: Path) -> None:
    two(tmp_path)
    text = json.dumps([row("a.mp4"), row("../b.mp4", 'says "{" and [')], indent=2)
    (tmp_path / "dataset.json").write_text(text)
    (one,) = found(tmp_path, "F09", trainer="ltx")
    assert text.splitlines()[(one.line or 0) - 1].strip() == "{"
    assert one.line == 6


def test_rules_of_other_trainers_say_nothing(tmp_path: Path) -> None:
    files("a.mp4", "rejects/b.mp4", "sheet.png")(tmp_path)
    assert found(tmp_path, "F06", trainer="musubi") == []
    assert found(tmp_path, "F07") == []


def test_caches_are_no_part_of_the_dataset(tmp_path: Path) -> None:
    files("a.mp4", "_latent_cache/a.png", ".precomputed/b.mp4", "clips.before.png")(tmp_path)
    assert [one.file for one in found(tmp_path, "F07", trainer="ai-toolkit")] == ["clips.before.png"]
