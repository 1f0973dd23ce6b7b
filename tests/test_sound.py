"""The sound that models hear: in step with the picture, whole, and honest about what is missing."""

from __future__ import annotations

import pickle
import wave
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import Broken, Silent
from captioner.media import timeline
from captioner.media.container import audio_stream, opened, packets, video_stream
from captioner.media.probe import probe
from captioner.media.sound import PcmFile, Samples16k, decode_speech
from captioner.media.timeline import Piece, _Line, audio_frames, clock_zero
from captioner.times import Span
from captioner.types import SPEECH_RATE, Sound
from tests.factory import CODECS, Audio, Floats, Video, click_times, clicks, make, noise, tone

CLICKS = (0.2, 0.9, 1.7)
PICTURES = sorted(suffix for suffix, (_, video, _) in CODECS.items() if video)
SOUNDS = sorted(set(CODECS) - set(PICTURES))


def hear(path: Path, stream: int | None = None) -> tuple[Sound, Floats]:
    audio, video = probe(path, audio_stream=stream)
    target = path.with_suffix(".s16")
    sound = decode_speech(path, audio, video, target)
    wave = PcmFile(target)
    assert sound.duration == pytest.approx(wave.duration, abs=0.0006)
    assert sorted(file.name for file in path.parent.iterdir() if ".s16" in file.name) == [target.name]
    return sound, wave.read(0.0, 1e6)


def both(samples: Floats) -> Floats:
    return np.stack([samples, samples], axis=1)


def clicked(rate: int, start: float = 0.0, codec: str | None = None) -> Audio:
    return Audio(both(clicks(CLICKS, 2.0, rate)), rate, start=start, codec=codec)


def assert_clicks(heard: Floats, expected: list[float], tolerance: float = 0.0015) -> None:
    found = click_times(heard, SPEECH_RATE)
    assert len(found) == len(expected)
    assert max(abs(one - other) for one, other in zip(found, expected, strict=True)) <= tolerance


# --- sync -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, -0.48, 0.6])
@pytest.mark.parametrize("suffix", [suffix for suffix in PICTURES if suffix != ".avi"])
def test_clicks_are_heard_when_they_are_shown(tmp_path: Path, suffix: str, offset: float) -> None:
    rate = 48_000 if suffix == ".webm" else 44_100
    path = make(tmp_path / f"a{suffix}", Video(start=max(0.0, -offset)), clicked(rate, max(0.0, offset)))
    _, heard = hear(path)
    assert_clicks(heard, [time + offset for time in CLICKS if time + offset > 0])


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi", ".wav", ".flac", ".m4a", ".ogg"])
def test_any_sample_rate(tmp_path: Path, suffix: str, rate: int) -> None:
    video = Video() if suffix in PICTURES else None
    _, heard = hear(make(tmp_path / f"a{suffix}", video, clicked(rate)))
    assert_clicks(heard, list(CLICKS))


@pytest.mark.parametrize(
    ("suffix", "rate", "codec"),
    [
        (".mp4", 44_100, "libmp3lame"),
        (".mkv", 48_000, "libopus"),
        (".mkv", 44_100, "vorbis"),
        (".mkv", 44_100, "libmp3lame"),
        (".mkv", 48_000, "flac"),
        (".mov", 48_000, "pcm_s16le"),
        (".mp4", 48_000, "libopus"),
        (".mp4", 48_000, "ac3"),
        (".ts", 48_000, "mp2"),
        (".mp3", 44_100, None),
        (".mp3", 22_050, None),
        (".opus", 48_000, None),
    ],
)
def test_codec_delay_is_taken_off(tmp_path: Path, suffix: str, rate: int, codec: str | None) -> None:
    video = Video() if suffix in PICTURES else None
    _, heard = hear(make(tmp_path / f"a{suffix}", video, clicked(rate, codec=codec)))
    # AC-3 has no way to declare its 256 samples of delay, in MP4 least of all.
    assert_clicks(heard, list(CLICKS), tolerance=0.0055 if codec == "ac3" else 0.0015)


def test_sync_holds_over_minutes_of_rounded_timestamps(tmp_path: Path) -> None:
    times = [10.0 * k + 5 for k in range(18)]
    sound = Audio(clicks(times, 180.0, 44_100), 44_100)
    _, heard = hear(make(tmp_path / "a.mkv", Video(frames=180, rate=Fraction(1), size=(64, 64)), sound))
    assert_clicks(heard, times)


# --- channels ---------------------------------------------------------------------------------------------------


def test_every_channel_is_heard_but_the_subwoofer(tmp_path: Path) -> None:
    pitches = [300, 500, 700, 900, 1_100, 1_300]
    six = np.stack([tone(pitch, 1.0, 48_000) for pitch in pitches], axis=1)  # FL FR FC LFE BL BR
    _, heard = hear(make(tmp_path / "a.mkv", None, Audio(six, codec="flac")))
    power = np.abs(np.fft.rfft(heard[: SPEECH_RATE // 2])) / (SPEECH_RATE // 4)
    left, right, centre, low, back, rear = (power[pitch // 2] for pitch in pitches)
    assert centre > left == pytest.approx(right, rel=0.05)
    assert left > back == pytest.approx(rear, rel=0.05)
    assert back > 0.04
    assert low < 0.001


def test_a_voice_on_one_side_is_heard(tmp_path: Path) -> None:
    left = np.stack([tone(440, 1.0, 48_000), np.zeros(48_000, np.float32)], axis=1)
    sound, _ = hear(make(tmp_path / "a.wav", None, Audio(left)))
    assert sound.peak == pytest.approx(0.25, abs=0.01)


def test_96_khz_with_6_channels(tmp_path: Path) -> None:
    six = np.stack([clicks(CLICKS, 2.0, 96_000)] * 6, axis=1)
    _, heard = hear(make(tmp_path / "a.mkv", Video(), Audio(six, 96_000, codec="flac")))
    assert_clicks(heard, list(CLICKS))


def test_the_stream_that_was_chosen_is_decoded(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Video(), Audio(tone(300, 2.0, 48_000)), clicked(44_100))
    _, heard = hear(path, 1)
    assert_clicks(heard, list(CLICKS))


def test_level_and_peak(tmp_path: Path) -> None:
    sound, _ = hear(make(tmp_path / "a.wav", None, Audio(tone(1000, 2.0, 16_000, peak=0.5), 16_000)))
    assert sound.peak == pytest.approx(0.5, abs=0.001)
    assert sound.level == pytest.approx(-9.03, abs=0.02)
    assert (sound.holes, sound.lost) == ((), 0.0)


# --- holes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_missing_packets_become_silence_and_sync_holds(tmp_path: Path, suffix: str) -> None:
    times = [0.2, 1.0, 4.0, 9.0]
    sound = Audio(clicks(times, 10.0, 48_000), gaps=[(2.0, 2.5), (5.0, 5.1)])
    heard_of, heard = hear(make(tmp_path / f"a{suffix}", Video(frames=250, size=(64, 64)), sound))
    assert_clicks(heard, times, tolerance=0.003)
    assert len(heard_of.holes) == 2
    assert heard_of.holes[0].overlap(Span(2.0, 2.5)) > 0.4
    assert heard_of.lost == pytest.approx(0.6, abs=0.06)


def test_damaged_packets_are_told_and_keep_their_time(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Video(frames=250, size=(64, 64)), Audio(both(noise(10.0, 48_000)), codec="flac"))
    with opened(path) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        places = [packet.pos for packet in packets[40:44]]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 12 : place + 400] = bytes(388)
    path.write_bytes(data)
    sound, _ = hear(path)
    assert 0.05 < sound.lost < 0.6
    assert sound.duration == pytest.approx(10.0, abs=0.1)


def test_a_film_that_is_half_missing_is_broken(tmp_path: Path) -> None:
    gaps = [(k + 0.3, k + 0.9) for k in range(10)]
    path = make(tmp_path / "a.mkv", Video(frames=250, size=(64, 64)), Audio(noise(10.0, 48_000), gaps=gaps))
    with pytest.raises(Broken, match=r"a\.mkv: \d\.\d s of 10\.0 s of its sound are missing"):
        hear(path)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flac", ".mp3"])
def test_a_file_that_was_cut_off_says_how_far_it_goes(tmp_path: Path, suffix: str, keep: float) -> None:
    video = Video(frames=150, size=(64, 64)) if suffix in PICTURES else None
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    path = make(tmp_path / f"a{suffix}", video, Audio(noise(6.0, 48_000)), options=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(Broken, match=r"breaks off at \d\.\d s of 6\.\d s"):
        hear(path)
    assert not list(tmp_path.glob("*.s16*")), "nothing half-made is left"


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_wave_comes_in_few_packets_and_whole(tmp_path: Path, rate: int) -> None:
    """For each packet Python does what takes longer than to decode it."""
    path = tmp_path / "long.wav"
    samples = noise(20.0, rate)
    make(path, None, Audio(samples, rate))
    with opened(path) as container:
        stream = container.streams.audio[0]
        found = [frame.to_ndarray().ravel() for packet in packets(container, [stream]) for frame in packet.decode()]
    assert len(found) <= 20 * rate / 6_000
    heard = np.concatenate(found)[:: stream.channels] / 32768
    assert np.abs(heard - samples[: len(heard)]).max() < 1e-4
    assert len(heard) == len(samples)


def test_a_coded_stream_in_a_wave_is_no_noise(tmp_path: Path) -> None:
    """Dolby Digital as it goes over a cable (IEC 61937): the header says 16-bit samples."""
    cable, path = tmp_path / "cable.spdif", tmp_path / "disguised.wav"
    with av.open(str(cable), "w", format="spdif") as target:
        stream = target.add_stream("ac3", rate=48_000, layout="stereo")
        sound = tone(440, 2.0, 48_000)
        for first in range(0, len(sound) - 1535, 1536):
            block = np.ascontiguousarray(both(sound[first : first + 1536]).T.astype(np.float32))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, first
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(cable.read_bytes())
    samples = hear(path)[1]
    turns = int(np.count_nonzero(np.diff(np.signbit(samples[SPEECH_RATE // 2 : SPEECH_RATE]))))
    assert abs(turns - 440) < 10, "a tone of 440 Hz for half a second"


def test_a_part_of_a_files_sound_is_read_where_it_is_and_small_to_send(tmp_path: Path) -> None:
    path = tmp_path / "sound.s16"
    samples = (np.arange(5 * SPEECH_RATE) % 20_000).astype("<i2")
    path.write_bytes(samples.tobytes())
    whole = PcmFile(path, "take.wav")
    part = pickle.loads(pickle.dumps(whole.part(1.25, 3.0)))
    assert (part.duration, part.name) == (1.75, "take.wav")
    assert np.array_equal(part.read(0.0, part.duration), whole.read(1.25, 3.0))
    assert np.array_equal(part.read(0.5, 99.0), whole.read(1.75, 3.0))
    assert whole.part(4.0, 9.0).duration == 1.0
    assert len(pickle.dumps(part)) < 1000
    path.write_bytes(samples[: 2 * SPEECH_RATE].tobytes())
    with pytest.raises(Broken, match=r"take\.wav: its decoded sound .* was cut off"):
        part.read(0.0, 1.75)
    path.unlink()
    with pytest.raises(Broken, match="build again"):
        part.read(0.0, 1.0)


def test_silence(tmp_path: Path) -> None:
    quiet = make(tmp_path / "a.mp4", Video(frames=25), Audio(np.zeros(48_000, np.float32)))
    with pytest.raises(Silent, match=r"a\.mp4: has an audio stream but it is silent"):
        hear(quiet)
    soft = make(tmp_path / "b.wav", None, Audio(tone(440, 1.0, 48_000, peak=0.0005)))
    assert hear(soft)[0].peak == pytest.approx(0.0005, rel=0.1)


def test_sound_that_ends_before_the_picture_begins_is_silence(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", Video(start=2.0), Audio(tone(440, 1.0, 48_000)))
    with pytest.raises(Silent):
        hear(path)


# --- the timeline, without files --------------------------------------------------------------------------------

RATE = 1000


def laid(frames: list[tuple[float | None, int]]) -> list[Piece]:
    """Frames of (time in seconds, samples), each sample numbered by its frame, through the line at 1 kHz."""
    line = _Line(RATE, Fraction(0))
    times = [None if time is None else Fraction(time).limit_denominator(10**6) for time, _ in frames]
    pieces: list[Piece] = []
    for number, ((_, count), time, following) in enumerate(zip(frames, times, [*times[1:], None], strict=True)):
        sure = line.believed(time, Fraction(count, RATE), following)
        pieces.extend(line.place(sure, np.full((count, 1), number + 1, np.float32)))
    return pieces


def flat(pieces: list[Piece]) -> Floats:
    return np.concatenate([piece.samples[:, 0] for piece in pieces])


def test_rounding_is_not_heard() -> None:
    frames = [(0.1 * k + (0.009 if k % 2 else -0.009), 100) for k in range(1, 200)]
    pieces = laid([(time, count) for time, count in frames])
    assert not any(piece.hole for piece in pieces)
    assert len(flat(pieces)) == 199 * 100


def test_a_steady_deviation_is_put_right() -> None:
    frames = [(0.1 * k, 100) for k in range(20)] + [(0.1 * k + 0.012, 100) for k in range(20, 120)]
    assert len(flat(laid([(time, count) for time, count in frames]))) == 12_012


def test_overlaps_are_trimmed() -> None:
    samples = flat(laid([(0.0, 100), (0.05, 100), (0.15, 100)]))
    assert len(samples) == 250
    assert list(samples[[0, 99, 100, 149, 150, 249]]) == [1, 1, 2, 2, 3, 3]


def test_one_wild_timestamp_is_not_believed() -> None:
    for wild in (500.0, 1.3, 0.02, -700.0):
        times = [0.1 * k for k in range(20)]
        times[7] = wild
        samples = flat(laid([(time, 100) for time in times]))
        np.testing.assert_array_equal(samples, np.repeat(np.arange(1, 21), 100), err_msg=str(wild))


def test_a_clock_that_starts_again_goes_on() -> None:
    frames = [(0.1 * k, 100) for k in range(30)] + [(0.1 * k, 100) for k in range(20)]
    pieces = laid([*frames, (2.5, 100), (2.6, 100)])
    assert len(flat(pieces)) == 5700
    assert [(piece.start, len(piece.samples)) for piece in pieces if piece.hole] == [(5000, 500)]


frames = st.lists(st.tuples(st.one_of(st.none(), st.floats(-50, 200)), st.integers(1, 300)), min_size=1, max_size=40)


@given(frames)
def test_pieces_always_follow_each_other(frames: list[tuple[float | None, int]]) -> None:
    pieces = laid(frames)
    for one, other in pairwise(pieces):
        assert other.start == one.start + len(one.samples)
    heard = sum(len(piece.samples) for piece in pieces if not piece.hole)
    assert heard <= sum(count for _, count in frames) + 20 * len(frames)


def test_pictures_whose_clock_starts_again_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [10, 10.1, 10.4, 3, 3.3, 3.3, None, 3.6, 500, 500.3]
    given = [(None if time is None else Fraction(str(time)), None) for time in times]
    monkeypatch.setattr(timeline, "timed", lambda container, stream: iter(given))
    shown = [round(time, 3) for time, _ in timeline.video_frames(None, None, Fraction(10))]
    assert shown == [0, 0.1, 0.4, 0.5, 0.8, 0.9, 1.0, 1.2, 1.3, 1.6]


def test_reading_goes_on_after_an_error_but_not_for_ever() -> None:
    stream = SimpleNamespace(index=0)
    calls: list[int] = []

    def demux(*_: object) -> Iterator[SimpleNamespace]:
        calls.append(1)
        if len(calls) < 4:
            yield SimpleNamespace(size=1, stream_index=0)
        raise av.error.InvalidDataError(1, "damaged")

    assert len(list(packets(SimpleNamespace(demux=demux), [stream]))) == 3
    assert 4 < len(calls) < 30


def test_audio_frames_on_the_clock_of_the_picture(tmp_path: Path) -> None:
    path = make(tmp_path / "a.ts", Video(start=0.4), clicked(48_000))
    with opened(path) as container:
        zero = clock_zero(container, video_stream(container))
    assert zero is not None
    with opened(path) as container:
        pieces = list(audio_frames(container, audio_stream(container, None, path), zero))
    samples = np.concatenate([piece.samples for piece in pieces])
    assert samples.dtype == np.float32
    assert samples.shape[1] == 2
    expected = [time - 0.4 - pieces[0].start / 48_000 for time in CLICKS]
    assert click_times(samples[:, 0], 48_000) == pytest.approx(expected, abs=0.001)


# --- waveforms --------------------------------------------------------------------------------------------------


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_both_waveforms_read_the_same(tmp_path_factory: pytest.TempPathFactory, start: float, end: float) -> None:
    path = tmp_path_factory.getbasetemp() / "ramp.s16"
    ramp = np.arange(-16_000, 16_000, dtype="<i2")
    path.write_bytes(ramp.tobytes())
    memory = Samples16k((ramp / np.float32(32768)).astype(np.float32))
    file = PcmFile(path)
    assert file.duration == memory.duration == 2.0
    heard = file.read(start, end)
    assert heard.dtype == np.float32
    np.testing.assert_array_equal(heard, memory.read(start, end))
    first, last = sorted((min(max(0.0, start), 2.0), min(max(0.0, start, end), 2.0)))
    assert abs(len(heard) - (last - first) * SPEECH_RATE) <= 1


def test_a_waveform_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.s16").write_bytes(b"\0" * 7)
    with pytest.raises(Broken, match="cut off"):
        PcmFile(tmp_path / "odd.s16")
    with pytest.raises(Broken, match=r"take 3\.mp4: its decoded sound"):
        PcmFile(tmp_path / "gone.s16", name="take 3.mp4")
    (tmp_path / "short.s16").write_bytes(b"\0" * 64_000)
    wave = PcmFile(tmp_path / "short.s16")
    (tmp_path / "short.s16").write_bytes(b"\0" * 10)
    with pytest.raises(Broken, match="cut off while"):
        wave.read(0.0, 1.0)
