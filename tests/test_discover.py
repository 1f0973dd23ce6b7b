"""What is found, what is passed by and why; the names of clips."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import Broken, UsageError
from captioner.media import discover as room
from captioner.media.discover import discover, fingerprint, slugs


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def reasons(found: room.Found, root: Path) -> dict[str, str]:
    return {passed.path.relative_to(root).as_posix(): passed.reason for passed in found.passed}


def test_a_folder_is_walked_deeply_in_one_order(tmp_path: Path) -> None:
    put(tmp_path, "b.MP4", "a.wav", "deep/er/c.Opus", "deep/b.m2ts", "z.mpeg")
    found = discover([tmp_path])
    assert [source.name for source in found.sources] == ["a.wav", "b.MP4", "z.mpeg", "deep/b.m2ts", "deep/er/c.Opus"]
    assert found.sources[3].path == tmp_path / "deep" / "b.m2ts"
    assert found.passed == ()
    assert discover([tmp_path]) == found


def test_everything_else_is_passed_by_with_its_reason(tmp_path: Path) -> None:
    put(
        tmp_path, "take.mov", "take.srt", "take.en.vtt", "take.txt", "notes.txt", "pic.png", ".hidden.mp4", ".git/x.mp4"
    )
    put(tmp_path, "._take.mov", "out/clips/take_f0n49.mp4", "noextension")
    found = discover([tmp_path], leave=[tmp_path / "out"])
    assert [source.name for source in found.sources] == ["take.mov"]
    assert reasons(found, tmp_path) == {
        "take.srt": room.SIDECAR,
        "take.en.vtt": room.SIDECAR,
        "take.txt": room.SIDECAR,
        "notes.txt": room.NOT_MEDIA,
        "pic.png": room.NOT_MEDIA,
        "noextension": room.NOT_MEDIA,
        ".hidden.mp4": room.HIDDEN,
        "._take.mov": room.HIDDEN,
        ".git": room.HIDDEN,
        "out": room.OUTPUT,
    }


def test_links_that_loop_and_links_to_the_same_file_are_taken_once(tmp_path: Path) -> None:
    put(tmp_path, "real/a.mp4", "real/b.mp4")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "zz").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "c.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    (tmp_path / "real" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    os.link(tmp_path / "real" / "b.mp4", tmp_path / "real" / "d.mp4")
    found = discover([tmp_path])
    assert [source.name for source in found.sources] == ["real/a.mp4", "real/b.mp4"]
    assert reasons(found, tmp_path) == {
        "real/c.mp4": room.SAME,
        "real/d.mp4": room.SAME,
        "real/gone.mp4": room.DANGLING,
        "real/loop": room.WALKED,
        "zz": room.WALKED,
    }


def test_a_file_named_and_found_again_is_taken_once(tmp_path: Path) -> None:
    put(tmp_path, "d/a.mp4", "d/b.mp4")
    found = discover([tmp_path / "d" / "b.mp4", tmp_path / "d", tmp_path / "d"])
    assert [source.name for source in found.sources] == ["b.mp4", "a.mp4"]
    assert [passed.reason for passed in found.passed] == [room.SAME, room.WALKED]


def test_two_inputs_with_the_same_names_inside_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, "one/x/a.mp4", "two/x/a.mp4", "two/b.mp4", "p/same/a.mp4", "q/same/a.mp4")
    found = discover([tmp_path / "one", tmp_path / "two"])
    assert [source.name for source in found.sources] == ["one/x/a.mp4", "b.mp4", "two/x/a.mp4"]
    found = discover([tmp_path / "p" / "same", tmp_path / "q" / "same"])
    assert [source.name for source in found.sources] == [
        (tmp_path / letter / "same" / "a.mp4").as_posix().strip("/") for letter in "pq"
    ]


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing here\.mp4: no such file"):
        discover([tmp_path / "nothing here.mp4"])


def test_pipes_and_empty_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "empty.mp4").touch()
    found = discover([tmp_path])
    assert [source.name for source in found.sources] == ["empty.mp4"], "a broken file is for the prober to report"
    assert reasons(found, tmp_path) == {"pipe.mp4": room.SPECIAL}


def test_names_in_any_script(tmp_path: Path) -> None:
    names = ["Ёлка.mp4", "日本語.mkv", "naïve café.wav", "👩‍🎤 live.mov", "שלום.mp3"]
    put(tmp_path, *names)
    assert {source.name for source in discover([tmp_path]).sources} == set(names)


def test_a_name_that_is_not_unicode_is_passed_by(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.mp4")
    try:
        (tmp_path / name).touch()
    except OSError:
        pytest.skip("this file system refuses such names")
    found = discover([tmp_path])
    assert found.sources == ()
    assert [passed.reason for passed in found.passed] == [room.UNSPELLABLE]


def test_fingerprint_is_sha256(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "a.bin").write_bytes(data)
    assert fingerprint(tmp_path / "a.bin") == hashlib.sha256(data).hexdigest()
    with pytest.raises(Broken, match="cannot be read"):
        fingerprint(tmp_path / "gone")


def test_slugs_read_like_their_names() -> None:
    assert slugs(["a/Take 1.mp4", "Ünïcode Ærø Straße.wav", "x.y.mov", "latent_3.mp4", "latent.mkv"]) == [
        "take_1",
        "unicode_aero_strasse",
        "x_y",
        "clip_latent_3",
        "clip_latent",
    ]
    assert re.fullmatch("[0-9a-f]{8}", slugs(["日本.mp4"])[0])


def test_all_that_share_a_slug_get_a_hash_and_keep_it() -> None:
    alone = slugs(["a/take.mp4", "other.mp4"])
    pair = slugs(["a/take.mp4", "b/TAKE.mov", "other.mp4"])
    three = slugs(["c/take.wav", "b/TAKE.mov", "a/take.mp4"])
    assert alone[0] == "take"
    assert all(re.fullmatch("take_[0-9a-f]{8}", slug) for slug in pair[:2])
    assert pair[2] == "other"
    assert three[1:] == [pair[1], pair[0]], "a third file renames nothing"


def test_a_name_that_looks_like_a_hashed_one_is_told_apart() -> None:
    hashed = slugs(["a/take.mp4", "b/take.mp4"])
    again = slugs(["a/take.mp4", "b/take.mp4", f"{hashed[0]}.mp4"])
    assert len(set(again)) == 3


stems = st.text(max_size=90) | st.sampled_from(["latent_", "LATENT_a", "take", "Take", "ｔａｋｅ", "İ", "-", "a" * 70])


@given(st.lists(st.builds("{}{}.mp4".format, st.sampled_from(["", "a/", "b/c/"]), stems), max_size=12))
def test_slugs_are_safe_and_different(names: list[str]) -> None:
    made = slugs(names)
    assert len(made) == len(names)
    assert len({slug.casefold() for slug in made}) == len(names)
    for slug in made:
        assert re.fullmatch("[a-z0-9_-]{1,60}", slug)
        assert not slug.startswith("-")
        assert not f"{slug}_f0n49".startswith("latent_")
    assert slugs(names) == made


@given(st.lists(stems.map("{}.mp4".format), max_size=8, unique=True))
def test_a_slug_depends_on_no_order(names: list[str]) -> None:
    made = dict(zip(names, slugs(names), strict=True))
    turned = names[::-1]
    assert dict(zip(turned, slugs(turned), strict=True)) == made
