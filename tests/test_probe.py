"""What probing says of files whose truth is known, and how it refuses broken ones."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.errors import Broken, MediaError, NoAudio, NotMedia
from captioner.media.probe import probe
from captioner.media.rates import constant_rate
from captioner.media.sound import decode_speech
from captioner.media.watching import watch
from captioner.types import VideoStream
from tests.factory import CODECS, Audio, Video, clicks, cover, make, tone

TONE = Audio(tone(440, 2.0, 48_000))
PICTURES = sorted(suffix for suffix, (_, video, _) in CODECS.items() if video)
SOUNDS = sorted(set(CODECS) - set(PICTURES))


def picture(path: Path) -> VideoStream:
    video = probe(path)[1]
    assert video is not None
    return video


@pytest.mark.parametrize("suffix", PICTURES)
def test_sound_and_picture_of_every_container(tmp_path: Path, suffix: str) -> None:
    audio, video = probe(make(tmp_path / f"a{suffix}", Video(frames=50), TONE))
    assert video is not None
    assert (video.width, video.height, video.rate, video.frames) == (192, 128, Fraction(25), 50)
    assert (video.rotation, video.pixel_aspect, video.transfer) == (0, Fraction(1), "sdr")
    assert not video.variable
    assert not video.interlaced
    assert (audio.rate, audio.channels) == (48_000, 1)
    assert abs(audio.offset) < 0.025, "no more than the codec's own delay, which is silence"
    assert audio.duration is None or abs(audio.duration - 2.0) < 0.03


@pytest.mark.parametrize("suffix", SOUNDS)
def test_sound_alone_begins_at_0(tmp_path: Path, suffix: str) -> None:
    samples = tone(440, 2.0, 48_000)
    audio, video = probe(make(tmp_path / f"a{suffix}", None, Audio(np.stack([samples, samples], axis=1))))
    assert video is None
    assert (audio.offset, audio.rate, audio.channels) == (0.0, 48_000, 2)
    assert (audio.duration is None) == (suffix == ".aac"), "a guess from a bit rate is no declaration"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts", ".mpg"])
@pytest.mark.parametrize("offset", [-0.48, 0.6])
def test_the_offset_is_measured(tmp_path: Path, suffix: str, offset: float) -> None:
    sound = Audio(TONE.samples, start=max(0.0, offset))
    audio, _ = probe(make(tmp_path / f"a{suffix}", Video(start=max(0.0, -offset)), sound))
    assert audio.offset - offset == pytest.approx(0.0, abs=0.025)


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "15", "29/2"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_exact_rate(tmp_path: Path, suffix: str, rate: str) -> None:
    video = picture(make(tmp_path / f"a{suffix}", Video(frames=90, rate=Fraction(rate), size=(64, 64)), TONE))
    assert (video.rate, video.variable, video.frames) == (Fraction(rate), False, 90)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_variable_rate_is_seen_and_averaged(tmp_path: Path, suffix: str) -> None:
    times = np.cumsum([0.0] + [0.03, 0.05, 0.04, 0.12] * 12).tolist()
    video = picture(make(tmp_path / f"a{suffix}", Video(times=times), TONE))
    assert video.variable
    assert video.frames == len(times)
    assert float(video.rate) == pytest.approx(48 / times[-1], rel=0.05)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_one_late_frame_in_the_middle_makes_a_rate_variable(tmp_path: Path, suffix: str) -> None:
    times = [index / 25 for index in range(40)] + [2.0 + index / 25 for index in range(40)]
    assert picture(make(tmp_path / f"a{suffix}", Video(times=times), TONE)).variable


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_rotation_is_clockwise(tmp_path: Path, suffix: str, rotation: int) -> None:
    video = picture(make(tmp_path / f"a{suffix}", Video(frames=5, rotation=rotation), TONE))
    assert (video.rotation, video.width, video.height) == (rotation, 192, 128)


def test_pixels_fields_and_light(tmp_path: Path) -> None:
    wide = picture(make(tmp_path / "a.mp4", Video(frames=5, aspect=Fraction(64, 45)), TONE))
    fields = picture(make(tmp_path / "b.mpg", Video(frames=5, interlaced=True, aspect=Fraction(16, 15)), TONE))
    pq = picture(make(tmp_path / "c.mp4", Video(frames=5, hdr="pq", codec="libx265"), TONE))
    hlg = picture(make(tmp_path / "d.mkv", Video(frames=5, hdr="hlg"), TONE))
    assert (wide.pixel_aspect, wide.interlaced, wide.transfer) == (Fraction(64, 45), False, "sdr")
    assert fields.interlaced
    assert (pq.transfer, hlg.transfer) == ("pq", "hlg")


def test_the_default_stream_or_the_one_asked_for(tmp_path: Path) -> None:
    six = np.stack([tone(100.0 * k, 1.0, 48_000) for k in range(1, 7)], axis=1)
    others = [Audio(six, default=False), Audio(tone(300, 1.0, 44_100), 44_100, default=True)]
    path = make(tmp_path / "a.mkv", Video(frames=25), *others, Audio(tone(200, 1.0, 8_000), 8_000, default=False))
    assert probe(path)[0].rate == 44_100
    assert [(probe(path, audio_stream=n)[0].channels, probe(path, audio_stream=n)[0].rate) for n in range(3)] == [
        (6, 48_000),
        (1, 44_100),
        (1, 8_000),
    ]
    for wrong in (3, -1):
        with pytest.raises(NoAudio, match=r"no audio stream -?\d; choose one of 0: aac, 48000 Hz, 6 channels; 1: "):
            probe(path, audio_stream=wrong)


@pytest.mark.parametrize("suffix", [".mp3", ".flac"])
def test_cover_art_is_no_picture(tmp_path: Path, suffix: str) -> None:
    assert probe(cover(tmp_path / f"a{suffix}", TONE))[1] is None


def test_forty_milliseconds(tmp_path: Path) -> None:
    audio, video = probe(make(tmp_path / "a.mp4", Video(frames=1), Audio(tone(440, 0.04, 48_000))))
    assert video is not None
    assert (video.frames, video.rate) == (1, Fraction(25))
    assert audio.duration == pytest.approx(0.04, abs=0.01)


def test_a_wrong_suffix_of_a_real_container_does_no_harm(tmp_path: Path) -> None:
    real = make(tmp_path / "a.mkv", Video(frames=25), TONE)
    shutil.copy(real, tmp_path / "b.mp4")
    assert picture(tmp_path / "b.mp4") == picture(real)


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    text, list_, empty = tmp_path / "text.mp4", tmp_path / "list.mp4", tmp_path / "empty.mp4"
    text.write_text("hello\n" * 200)
    list_.write_text("ffconcat version 1.0\nfile whole.mp4\n")  # opening it would read another file than was named
    empty.touch()
    whole = make(tmp_path / "whole.mp4", Video(frames=25), TONE).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a:b.mp4").write_bytes(whole)
    make(tmp_path / "mute.mp4", Video(frames=5))
    with pytest.raises(NotMedia, match=r"text\.mp4: not a media file"):
        probe(text)
    with pytest.raises(NotMedia, match=r"list\.mp4: not a media file"):
        probe(list_)
    with pytest.raises(NotMedia, match="a folder"):
        probe(tmp_path)
    with pytest.raises(Broken, match=r"empty \(0 bytes\)"):
        probe(empty)
    with pytest.raises(Broken, match=r"cut\.mp4: its index .* is missing"):
        probe(tmp_path / "cut.mp4")
    with pytest.raises(Broken, match="no such file"):
        probe(tmp_path / "gone.mp4")
    with pytest.raises(NoAudio, match=r"mute\.mp4: no audio stream"):
        probe(tmp_path / "mute.mp4")
    assert probe(tmp_path / "a:b.mp4")[0].codec == "aac"


def test_ffmpeg_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(make(tmp_path / "a.ts", Video(frames=25), TONE).read_bytes())
    data[3000:9000] = bytes(6000)
    (tmp_path / "b.ts").write_bytes(data)
    capfd.readouterr()  # what the encoders said
    _survive(tmp_path / "b.ts", tmp_path / "sound")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", None, TONE)
    path.chmod(0)
    with pytest.raises(Broken, match="permission denied"):
        probe(path)


# --- damage -----------------------------------------------------------------------------------------------------

_WHOLE: dict[str, bytes] = {}


def _bytes(folder: Path, suffix: str) -> bytes:
    if suffix not in _WHOLE:
        samples = clicks([0.1, 0.6], 0.8, 48_000)
        sound = Audio(np.stack([samples, samples], axis=1))
        path = make(folder / f"whole{suffix}", Video(frames=20, size=(64, 64)) if suffix in PICTURES else None, sound)
        _WHOLE[suffix] = path.read_bytes()
    return _WHOLE[suffix]


def _survive(path: Path, target: Path) -> None:
    """Reads all of a damaged file: it works, or ends in one of our own sentences that names the file."""
    try:
        audio, video = probe(path)
        assert decode_speech(path, audio, video, target).duration < 30, "damage must not stretch time"
        if video is not None:
            watch(path, video)
    except MediaError as error:
        assert path.name in str(error)  # noqa: PT017


def _damage(folder: Path, suffix: str, flips: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(_bytes(folder, suffix))
    for place, bit in flips:
        data[int(place * len(data))] ^= 1 << bit
    path = folder / f"damaged{suffix}"
    path.write_bytes(data[: int(keep * len(data))])
    _survive(path, folder / "sound")


flips = st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 7)), max_size=40)
heads = st.lists(st.tuples(st.floats(0, 0.08), st.integers(0, 7)), min_size=1, max_size=6)
keeps = st.just(1.0) | st.floats(0, 1)
HAMMER = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


@settings(max_examples=120, **HAMMER)  # type: ignore[arg-type]
@given(suffix=st.sampled_from(sorted(CODECS)), flips=flips | heads, keep=keeps)
def test_damage_ends_in_a_sentence(tmp_path: Path, suffix: str, flips: list[tuple[float, int]], keep: float) -> None:
    _damage(tmp_path, suffix, flips, keep)


@pytest.mark.slow
@settings(max_examples=3000, **HAMMER)  # type: ignore[arg-type]
@given(suffix=st.sampled_from(sorted(CODECS)), flips=flips | heads, keep=keeps)
def test_much_damage_ends_in_sentences(
    tmp_path: Path, suffix: str, flips: list[tuple[float, int]], keep: float
) -> None:
    _damage(tmp_path, suffix, flips, keep)


# --- the rate of a list of times, pure --------------------------------------------------------------------------

rates = st.sampled_from([Fraction(r) for r in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")])


@given(rate=rates, count=st.integers(120, 400), start=st.floats(0, 3600), tick=st.sampled_from([1000, 90_000, 12_800]))
def test_rounded_times_keep_their_rate(rate: Fraction, count: int, start: float, tick: int) -> None:
    run = [round((start + index / float(rate)) * tick) / tick for index in range(count)]
    assert constant_rate([run], [rate, None, Fraction(90_000)]) == rate


@given(rate=rates, gap=st.integers(5, 100), extra=st.floats(0.02, 5))
def test_a_pause_makes_a_rate_variable(rate: Fraction, gap: int, extra: float) -> None:
    run = [index / float(rate) + (extra if index >= gap else 0.0) for index in range(110)]
    assert constant_rate([run], [rate]) is None


def test_a_claim_is_believed_only_if_the_times_agree() -> None:
    run = [index / 30 for index in range(300)]
    assert constant_rate([run], [Fraction(25), Fraction(90_000)]) == 30
    assert constant_rate([[0.0]], [None, Fraction(25)]) == 25
    assert constant_rate([], []) is None
