"""Clips of real media: the right frames, the right samples, in step."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from clips import cut, film, onset, read, record, write
from factory import Audio, Floats, Video, clicks, flashes, make, noise, tone
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import Broken, UsageError
from captioner.media import cutting, showing
from captioner.media.clipfile import ClipFile
from captioner.media.cutting import ClipSpec, write_clips
from captioner.media.showing import Stretch, grid_range, merged
from captioner.media.soundtrack import Track
from captioner.types import cut_samples

PCM = ClipSpec(preset="ultrafast", audio_codec="pcm")
NTSC = Fraction(30000, 1001)


def on_grid(samples: Floats) -> Floats:
    """The nearest samples that 16 bits can hold."""
    held: Floats = np.rint(samples * np.float32(32768)).astype(np.float32) / np.float32(32768)
    return held


# --- which frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "rate", "step"),
    [(24, 24, 1), (25, 25, 1), (30, 30, 1), (NTSC, 30, 1), (Fraction(24000, 1001), 24, 1), (50, 25, 2), (60, 30, 2),
     (2 * NTSC, 30, 2)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_every_frame_of_a_constant_source_stands_where_it_was_shown(
    tmp_path: Path, name: str, source: Fraction | int, rate: int, step: int
) -> None:
    made = film(tmp_path, Video(frames=66 * step, rate=Fraction(source), size=(96, 64)), name=name)
    first, later = write(made, (0, 17), (40, 25), rate=rate)
    assert first.indices == list(range(0, 17 * step, step))
    assert later.indices == list(range(40 * step, 65 * step, step))
    assert later.written.repeated == 0
    assert later.written.dropped == (24 if step == 2 else 0)


def test_a_slow_drift_repeats_one_frame_in_a_thousand(tmp_path: Path) -> None:
    made = film(tmp_path, Video(frames=1050, rate=Fraction(24000, 1001), size=(64, 64)))
    (clip,) = write(made, (460, 49), rate=24)
    assert clip.written.repeated == 1
    assert sorted(index or 0 for index in clip.indices) == sorted([*range(460, 508), 475])


def test_25_from_24_repeats_and_says_so(tmp_path: Path) -> None:
    (clip,) = write(film(tmp_path, Video(frames=60, rate=Fraction(24), size=(96, 64))), (0, 49), rate=25)
    assert clip.written.repeated == 2
    assert [index for index in clip.indices if index is not None] == [ceil((k + 0.5) * 24 / 25) - 1 for k in range(49)]


def test_a_variable_source_keeps_its_own_time(tmp_path: Path) -> None:
    wobble = np.random.default_rng(3).uniform(0.025, 0.045, 120)
    wobble[60] = 0.6  # held
    times = [0.0, *np.cumsum(wobble).tolist()]
    (clip,) = write(film(tmp_path, Video(times=times, size=(96, 64))), (5, 97), rate=25)
    wanted = [max(i for i, time in enumerate(times) if time <= (k + 0.5) / 25 - 0.001) for k in range(5, 102)]
    assert clip.indices == wanted
    assert clip.written.repeated == 97 - len(set(wanted)) > 10
    assert clip.written.dropped == wanted[-1] - wanted[0] + 1 - len(set(wanted))


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_a_jump_over_what_nobody_wants_changes_no_frame(tmp_path: Path, name: str) -> None:
    video = Video(frames=1000, size=(64, 64), options={"g": "40", "bf": "3"})
    clips = write(film(tmp_path, video, name=name), (3, 9), (700, 9), (980, 9))
    assert [clip.indices for clip in clips] == [[*range(s, s + 9)] for s in (3, 700, 980)]


def test_a_jump_that_lands_too_late_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "_LEAD", -5)
    source = film(tmp_path, Video(frames=600, size=(64, 64), options={"g": "40"}))
    assert [clip.indices for clip in write(source, (3, 9), (420, 9))] == [[*range(s, s + 9)] for s in (3, 420)]


def test_cuts_may_overlap_and_come_in_any_order(tmp_path: Path) -> None:
    clips = write(film(tmp_path, Video(frames=80, size=(64, 64))), (30, 25), (10, 33), (12, 9), (30, 17))
    assert [clip.indices for clip in clips] == [[*range(s, s + n)] for s, n in ((30, 25), (10, 33), (12, 9), (30, 17))]


def test_a_cut_past_the_last_picture_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    recording = record(film(tmp_path, Video(frames=40, size=(64, 64))))
    with pytest.raises(Broken, match="ends before"):
        write_clips(recording, None, [cut(recording, 20, 25)], PCM, tmp_path / "clips")
    assert list((tmp_path / "clips").iterdir()) == []


@given(
    st.lists(st.fractions(Fraction(1, 100), Fraction(1, 5), max_denominator=90_000), min_size=2, max_size=30),
    st.sampled_from([Fraction(24), Fraction(25), Fraction(30), NTSC]),
)
def test_every_place_of_the_grid_shows_just_one_picture(lengths: list[Fraction], rate: Fraction) -> None:
    times = [Fraction(0)]
    for length in lengths:
        times.append(times[-1] + length)
    places = [k for time, until in pairwise(times) for k in grid_range(time, until, rate)]
    assert places == list(range(len(places)))
    assert abs(len(places) / rate - times[-1]) <= Fraction(1, 2) / rate + Fraction(1, 1000)


def test_near_stretches_are_read_as_one() -> None:
    far, near = Stretch(Fraction(100), Fraction(101)), Stretch(Fraction(5), Fraction(6))
    assert merged([far, near, Stretch(Fraction(0), Fraction(2))]) == [Stretch(Fraction(0), Fraction(6)), far]


# --- which samples ------------------------------------------------------------------------------------------------


def test_stereo_at_48k_comes_out_sample_for_sample(tmp_path: Path) -> None:
    sound = np.stack([noise(5, 48_000, seed=1), noise(5, 48_000, seed=2)], axis=1)
    sound = on_grid(sound)
    made = film(tmp_path, Video(frames=120, size=(64, 64)), Audio(sound, codec="pcm_s16le"), name="film.mkv")
    for clip, (start, frames) in zip(write(made, (0, 49), (33, 73), spec=PCM), [(0, 49), (33, 73)], strict=True):
        first, count = cut_samples(start, frames, Fraction(25))
        assert np.array_equal(clip.samples, sound[first : first + count])


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_one_channel_is_resampled_once_to_the_same_samples(rate: int) -> None:
    sound = np.repeat(noise(2, rate)[:, None], 2, axis=1)
    one, two = (Track([(0, sound)], rate, channels) for channels in (1, 2))
    for first, count in ((0, 5000), (7001, 48_000)):
        assert np.array_equal(one.read(first, count), two.read(first, count))


@pytest.mark.parametrize("rate", [24, 25, 30, NTSC])
def test_aac_runs_over_by_less_than_one_frame_and_is_never_short(tmp_path: Path, rate: Fraction | int) -> None:
    made = film(tmp_path, Video(frames=110, rate=Fraction(rate), size=(64, 64)))
    for clip, frames in zip(write(made, (3, 49), (3, 50), (3, 97), rate=rate), (49, 50, 97), strict=True):
        assert 0 <= len(clip.samples) - round(frames * 48_000 / Fraction(rate)) < 1024


def test_a_mono_source_is_on_both_sides_as_loud_as_it_was(tmp_path: Path) -> None:
    sound = on_grid(tone(440, 4, 48_000, 0.25))
    made = film(tmp_path, Video(frames=60, size=(64, 64)), Audio(sound, codec="pcm_s16le"), name="film.mkv")
    (clip,) = write(made, (10, 25), spec=PCM)
    assert np.array_equal(clip.samples[:, 0], clip.samples[:, 1])
    assert np.array_equal(clip.samples[:, 0], sound[19_200 : 19_200 + 48_000])


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 96_000])
def test_resampling_is_exact_up_to_the_very_edges(tmp_path: Path, rate: int) -> None:
    sound = tone(1000, 5, rate)
    made = film(tmp_path, Video(frames=100, size=(64, 64)), Audio(sound, rate, codec="pcm_f32le"), name="film.mkv")
    for clip, start in zip(write(made, (1, 25), (50, 25), spec=PCM), (1, 50), strict=True):
        wanted = tone(1000, 5, 48_000)[start * 1920 :][: 25 * 1920]
        assert np.abs(clip.samples[:, 0] - wanted).max() < 2e-4


def test_six_channels_are_folded_by_the_usual_weights(tmp_path: Path) -> None:
    tones = [tone(f, 4, 96_000, 0.1) for f in (400, 600, 800, 50, 1000, 1200)]
    audio = Audio(np.stack(tones, axis=1), 96_000, codec="pcm_f32le")
    (clip,) = write(film(tmp_path, Video(frames=60, size=(64, 64)), audio, name="film.mkv"), (10, 25), spec=PCM)
    spectrum = np.abs(np.fft.rfft(clip.samples, axis=0)) / (len(clip.samples) / 2)
    heard = spectrum[[400, 600, 800, 50, 1000, 1200]]
    wanted = np.array([[0.1, 0], [0, 0.1], [0.0707, 0.0707], [0, 0], [0.0707, 0], [0, 0.0707]])
    assert np.allclose(heard, wanted, atol=1e-3)


def test_a_fold_that_would_clip_is_turned_down_as_a_whole(tmp_path: Path) -> None:
    loud = np.repeat(tone(500, 4, 48_000, 0.9)[:, None], 6, axis=1)
    audio = Audio(loud, codec="pcm_f32le")
    (clip,) = write(film(tmp_path, Video(frames=60, size=(64, 64)), audio, name="film.mkv"), (10, 25), spec=PCM)
    wanted = tone(500, 4, 48_000, 1.0)[19_200 : 19_200 + 48_000]
    assert np.abs(clip.samples - wanted[:, None]).max() < 1e-3


def test_sound_alone_becomes_a_wave_file_of_just_those_samples(tmp_path: Path) -> None:
    sound = on_grid(noise(6, 48_000))
    source = make(tmp_path / "talk.flac", None, Audio(sound, options={}))
    (clip,) = write(source, (20, 49))
    assert clip.written.path.suffix == ".wav"
    assert np.array_equal(clip.samples[:, 0], sound[38_400 : 38_400 + 94_080])
    assert clip.written.width is None


# --- in step ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("picture", "sound"), [(0.0, 0.0), (0.0, 0.24), (0.36, 0.0)])
@pytest.mark.parametrize("spec", [ClipSpec(preset="ultrafast"), PCM], ids=["aac", "pcm"])
@pytest.mark.parametrize(("name", "source", "rate"), [("film.mp4", Fraction(25), 25), ("film.mkv", NTSC, 30)])
def test_a_flash_and_its_click_stay_together(
    tmp_path: Path, name: str, source: Fraction, rate: int, picture: float, sound: float, spec: ClipSpec
) -> None:
    at = [9, 60, 98]  # frames of the source that flash, at the beginning, the middle and the end of the cut
    times = [picture + float(index / source) - sound for index in at]
    video = Video(frames=120, rate=source, size=(64, 64), draw=flashes(at), start=picture)
    made = film(tmp_path, video, Audio(clicks(times, 6, 48_000), start=sound), name=name)
    (clip,) = write(made, (8, 93), rate=rate, spec=spec)
    bright = [float(clip.luma(k).mean()) > 120 for k in range(93)]
    for index in at:
        place = index - 8
        assert bright[place - 1 : place + 2] == [False, True, False]
        middle = round(place * 48_000 / rate)
        around = np.abs(clip.samples[max(0, middle - 1200) : middle + 1200, 0])
        heard = onset(around.tolist(), 0.4) + max(0, middle - 1200)
        assert abs(heard - middle) / 48_000 < 0.005


# --- files --------------------------------------------------------------------------------------------------------


def test_a_plain_reader_finds_every_frame_at_its_rate(tmp_path: Path) -> None:
    import cv2

    (clip,) = write(film(tmp_path, Video(frames=60, size=(64, 64), rate=Fraction(30))), (4, 49), rate=30)
    reader = cv2.VideoCapture(str(clip.written.path))
    assert reader.get(cv2.CAP_PROP_FPS) == 30
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 49
    count = 0
    while reader.read()[0]:
        count += 1
    assert count == 49


def test_the_index_stands_before_the_data_and_the_sound_is_as_long_as_its_samples(tmp_path: Path) -> None:
    (clip,) = write(film(tmp_path, Video(frames=60, size=(64, 64), rate=Fraction(24))), (4, 49), rate=24)
    data = clip.written.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    lists = [i for i in range(len(data)) if data.startswith(b"elst", i)]
    video, audio = (data[place + 12 : place + 20] for place in lists)
    assert int.from_bytes(video[4:], "big") == 0
    assert int.from_bytes(audio[:4], "big") == 98_000  # in samples
    assert int.from_bytes(audio[4:], "big") == 1024  # the encoder's delay


def test_the_same_cut_gives_the_same_bytes(tmp_path: Path) -> None:
    recording = record(film(tmp_path, Video(frames=60, size=(64, 64))))
    asked = [cut(recording, 4, 25)]
    first, second = (write_clips(recording, None, asked, PCM, tmp_path / name)[0] for name in ("a", "b"))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_nothing_has_its_name_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    class Dies(ClipFile):
        def picture(self, frame: object, times: int = 1) -> None:
            if self.frames == 5:
                raise Killed
            super().picture(frame, times)

    monkeypatch.setattr(cutting, "ClipFile", Dies)
    recording = record(film(tmp_path, Video(frames=60, size=(64, 64))))
    with pytest.raises(Killed):
        write_clips(recording, None, [cut(recording, 4, 25)], PCM, tmp_path / "clips", aside=tmp_path / "aside")
    assert [*(tmp_path / "clips").iterdir(), *(tmp_path / "aside").iterdir()] == []


def test_each_clip_is_told_as_it_gets_its_name(tmp_path: Path) -> None:
    recording = record(film(tmp_path, Video(frames=60, size=(64, 64))))
    told: list[tuple[str, bool]] = []
    cuts = [cut(recording, 4, 25), cut(recording, 30, 17)]
    made = write_clips(
        recording, None, cuts, PCM, tmp_path, on_clip=lambda each: told.append((each.id, each.path.exists()))
    )
    assert told == [(each.id, True) for each in cuts]
    assert [len(read(each).pictures) for each in made] == [25, 17]


@pytest.mark.parametrize("wrong", [{"size": (100, 64)}, {"size": (0, 32)}, {"audio_codec": "mp3"}])
def test_a_spec_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ClipSpec(**wrong)  # type: ignore[arg-type]
