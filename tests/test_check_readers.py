"""The readers of foreign files: what they find in made files, and that no bytes at all make them fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.checks.captiontext import dialect, openings, residue, sections, speech, times_named
from captioner.checks.gather import parse_caption
from captioner.checks.listings import is_listing, parse_listing
from captioner.checks.probing import probed, rotation
from captioner.checks.running import Request, check
from captioner.checks.view import Listing
from tests.check_sets import clip, made
from tests.factory import Audio, Video, make, tone

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FAST = settings(max_examples=200, deadline=None)


# -- media -------------------------------------------------------------------------------------------------------------


def sound(seconds: float, rate: int = 48_000, **more: object) -> Audio:
    return Audio(tone(220, seconds, rate, 0.3), rate, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(30), Fraction(24000, 1001)])
def test_frames_rate_and_size(suffix: str, rate: Fraction, tmp_path: Path) -> None:
    seen = probed(make(tmp_path / f"a{suffix}", Video(frames=41, rate=rate, size=(64, 96)), sound(float(41 / rate))))
    assert (seen.frames, seen.rate, seen.variable, seen.error) == (41, rate, False, None)
    assert (seen.width, seen.height, seen.rotation) == (64, 96, 0)
    assert abs(seen.audio[0].duration - float(41 / rate)) < 0.03
    assert (seen.audio[0].rate, seen.audio[0].channels) == (48_000, 1)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotation_without_decoding(suffix: str, turn: int, tmp_path: Path) -> None:
    path = make(tmp_path / f"a{suffix}", Video(frames=5, rotation=turn), sound(0.2))
    assert probed(path).rotation == rotation(path) == turn


def test_sound_that_starts_later(tmp_path: Path) -> None:
    seen = probed(make(tmp_path / "a.mp4", Video(frames=25), sound(0.5, start=0.476)))
    assert seen.facts.offset == pytest.approx(0.476, abs=0.025)


def test_a_rate_that_varies(tmp_path: Path) -> None:
    times = [number * 0.04 + (0.02 if number % 3 == 1 else 0.0) for number in range(30)]
    seen = probed(make(tmp_path / "a.mp4", Video(times=times)))
    assert (seen.frames, seen.variable) == (30, True)
    assert float(seen.rate or 0) == pytest.approx(25, abs=1)


def test_a_file_that_was_cut_off_has_fewer_frames_than_it_promises(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", Video(frames=50), sound(2.0), options={"movflags": "faststart"})
    os.truncate(path, path.stat().st_size * 2 // 3)
    seen = probed(path)
    assert seen.container_frames == 50
    assert 0 < seen.frames < 50


def test_several_streams_and_the_one_that_is_played(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Video(frames=25), sound(1.0, default=False), sound(1.0, 44_100, default=True))
    seen = probed(path)
    assert [one.default for one in seen.audio] == [False, True]
    assert seen.sound is not None
    assert seen.sound.rate == 44_100


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac"])
def test_sound_alone(suffix: str, tmp_path: Path) -> None:
    seen = probed(make(tmp_path / f"a{suffix}", None, sound(2.0)))
    assert (seen.frames, seen.facts.rate) == (0, None)
    assert float(seen.facts.sound) == pytest.approx(2.0, abs=0.06)


@given(data=st.binary(max_size=400), kind=st.integers(0, 3))
@SLOW
def test_any_bytes_are_a_file_with_an_error_or_facts(data: bytes, kind: int, tmp_path: Path) -> None:
    path = tmp_path / ["a.mp4", "a.mkv", "a.wav", "a.mov"][kind]
    path.write_bytes([b"\x00\x00\x00\x18ftypmp42", b"\x1aE\xdf\xa3", b"RIFF", b""][kind] + data)
    seen = probed(path)
    assert seen.error is not None or seen.frames >= 0
    assert rotation(path) in (0, 90, 180, 270)


@given(place=st.integers(0, 5000), value=st.integers(0, 255))
@SLOW
def test_a_damaged_mp4_never_fails(place: int, value: int, tmp_path: Path) -> None:
    data = bytearray(made(".mp4", 9, Fraction(25), 0.36, 0).read_bytes())
    data[place % len(data)] = value
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    seen = probed(path)
    assert seen.error is not None or seen.facts is not None
    assert rotation(path) in (0, 90, 180, 270)


# -- listings ----------------------------------------------------------------------------------------------------------


def parsed(data: bytes, name: str = "dataset.json") -> Listing:
    return parse_listing(data, Path("/data") / name, name)


def test_json_records_have_the_lines_that_they_begin_on() -> None:
    rows = [{"caption": "a [b] {c}\n", "media_path": "a.mp4"}, {"caption": 'x"{', "video": "b.mp4"}]
    text = json.dumps(rows, indent=1)
    listing = parsed(text.encode())
    assert [one.media for one in listing.records] == ["a.mp4", "b.mp4"]
    assert [one.line for one in listing.records] == [2, 6]
    assert listing.columns == ("caption", "media_path")


def test_a_map_of_captions() -> None:
    listing = parsed(b'{\n "x/a.mp4": {"caption": "A"},\n "b.mp4": "B"\n}')
    assert [(one.media, one.caption, one.line) for one in listing.records] == [("x/a.mp4", "A", 2), ("b.mp4", "B", 3)]
    assert is_listing(listing)


def test_rows_of_a_csv_may_have_several_lines() -> None:
    listing = parsed(b'caption,media_path\n"one\ntwo",a.mp4\nthree,b.mp4\n', "d.csv")
    assert [(one.caption, one.line) for one in listing.records] == [("one\ntwo", 2), ("three", 4)]


@pytest.mark.parametrize(
    ("data", "name", "line"),
    [(b'[{"caption": "a"},\n', "d.json", 2), (b'{"a": 1}\nno\n', "d.jsonl", 2), (b"\xff\xfe[", "d.json", 1),
     (b"[1]", "d.json", 1), (b'a,b\n"x', "d.csv", 2), (b"[" * 100_000, "d.json", None)],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_line(data: bytes, name: str, line: int | None) -> None:
    listing = parsed(data, name)
    assert listing.error
    assert listing.error_line == line


@pytest.mark.parametrize("text", ['{"version": 1}', "[1, 2]", '{"a": {"b": 1}}', "{}", "[]", '"x"'])
def test_other_json_is_no_listing(text: str) -> None:
    assert not is_listing(parsed(text.encode()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["caption", "media_path", "video", "audio", "x"]) | st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()),
       st.sampled_from(["d.json", "d.jsonl", "d.csv", "D.JSON"]))  # fmt: skip
@FAST
def test_any_bytes_are_a_listing(data: bytes, name: str) -> None:
    listing = parsed(data, name)
    assert isinstance(is_listing(listing), bool)
    assert all(one.line >= 1 for one in listing.records)
    assert all(one.media is None or isinstance(one.media, str) for one in listing.records)


# -- captions ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
@FAST
def test_any_bytes_are_a_caption(data: bytes) -> None:
    caption = parse_caption("a.txt", data)
    assert (caption.text is None) == (caption.error is not None)
    assert caption.bom is data.startswith(b"\xef\xbb\xbf") or caption.text is None
    assert caption.lines <= len(data)


@given(st.text(max_size=200), st.text(min_size=1, max_size=8))
@FAST
def test_any_text_can_be_judged(text: str, trigger: str) -> None:
    assert dialect(text) in ("[TAG]:", "label:", "<d>", "prose")
    assert times_named(text, trigger) >= 0
    assert residue(text) is None or isinstance(residue(text), str)
    assert isinstance(sections(text), dict)
    assert speech(text) is None or isinstance(speech(text), str)
    assert all(word in text for word in openings([text, text]))


@given(captions=st.lists(st.binary(max_size=80), min_size=1, max_size=4), metadata=st.binary(max_size=80) | JSON.map(
    lambda value: json.dumps([value, value]).encode()), trainer=st.sampled_from([None, "ltx", "ai-toolkit", "musubi",
                                                                               "simpletuner", "id-lora"]))  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_whole_check_of_anything_ends_in_findings(
    captions: list[bytes], metadata: bytes, trainer: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("set")
    for number, data in enumerate(captions):
        clip(root, f"{number}.mp4", data)
    (root / "x.mkv").write_bytes(metadata)
    for name in ("dataset.json", "dataset.jsonl", "data.csv"):
        (root / name).write_bytes(metadata)
    report = check(Request(root, trainer=trainer, memory=None))
    assert json.loads(json.dumps(report.as_dict()).encode())["clips"] == report.clips
    assert all(one.as_text().isprintable() or "\n" in one.as_text() for one in report.findings)


# -- what a report is known by -----------------------------------------------------------------------------------------


def test_a_report_is_known_again_by_another_process(tmp_path: Path) -> None:
    clip(tmp_path / "set", "a.mp4")
    (tmp_path / "set" / "x.jsonl").write_text('{"video_path": "a.mp4", "caption": "x"}\n')
    (tmp_path / "d.toml").write_text(
        f'[general]\ncaption_extension = ".txt"\n[[datasets]]\nvideo_directory = "{(tmp_path / "set").as_posix()}"\n'
        "target_frames = [9]\n"
    )
    code = (
        "import sys\nfrom pathlib import Path\nfrom captioner.checks.configs import read_config\n"
        "from captioner.checks.running import Request, check\nroot = Path(sys.argv[1])\n"
        "config = read_config(root / 'd.toml', 'musubi')\n"
        "print(check(Request(root / 'set', 'musubi', config, memory=root / 'm.sqlite')).remembered)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said == ["False", "True"]
