"""The check of written clips bites: an encoder that lies in any one way is found out, and an honest one is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import cut, film, record
from factory import Audio, Floats, Video, make, noise, tone

from captioner.errors import ClipMismatch
from captioner.media import cutting
from captioner.media.check import check_clip
from captioner.media.clipfile import ClipFile
from captioner.media.cutting import ClipSpec, Written, write_clips
from captioner.types import Cut, Recording

AAC = ClipSpec(preset="ultrafast")
PCM = ClipSpec(preset="ultrafast", audio_codec="pcm")


def moving(index: int, width: int, height: int) -> Any:
    """A grey bar that wanders slowly over a gradient: neighbours are much alike."""
    across = np.linspace(40, 90, width)[None, :].repeat(height, axis=0)
    left = (index * 2) % (width - 16)
    across[height // 4 : height // 2, left : left + 16] = 200
    return np.repeat(across[:, :, None], 3, axis=2).astype(np.uint8)


def speech(duration: float) -> Floats:
    """(n, 2): noise in syllables, another on each side."""
    sides = [noise(duration, 48_000, 0.3, seed) for seed in (1, 2)]
    time = np.arange(len(sides[0])) / 48_000
    return np.stack([side * (0.15 + np.sin(2 * np.pi * 3 * time) ** 2) for side in sides], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("film")
    return record(film(folder, Video(frames=70, size=(128, 96), draw=moving), Audio(speech(4))))


def written(recording: Recording, folder: Path, spec: ClipSpec, lie: type[ClipFile] = ClipFile) -> tuple[Written, Cut]:
    asked = cut(recording, 10, 41)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "ClipFile", lie)
        return write_clips(recording, None, [asked], spec, folder)[0], asked


# --- lies ---------------------------------------------------------------------------------------------------------


class DropsAFrame(ClipFile):
    def _encode_picture(self, frame: Any) -> None:
        if self.frames != 7:
            frame.pts -= self.frames > 7
            super()._encode_picture(frame)


class LeavesAHole(ClipFile):
    def _encode_picture(self, frame: Any) -> None:
        if self.frames != 7:
            super()._encode_picture(frame)


class RepeatsAFrame(ClipFile):
    """Frame 7 is drawn again in the place of frame 8."""

    def _encode_picture(self, frame: Any) -> None:
        if self.frames == 7:
            self._kept = frame.to_ndarray()
        if self.frames == 8:
            other = av.VideoFrame.from_ndarray(self._kept, format="yuv420p")
            other.pts, other.time_base = frame.pts, frame.time_base
            frame = other
        super()._encode_picture(frame)


class LagsOneFrame(ClipFile):
    def _encode_picture(self, frame: Any) -> None:
        late, self._late = getattr(self, "_late", frame.to_ndarray()), frame.to_ndarray()
        other = av.VideoFrame.from_ndarray(late, format="yuv420p")
        other.pts, other.time_base = frame.pts, frame.time_base
        super()._encode_picture(other)


class DrawsAnother(ClipFile):
    def _encode_picture(self, frame: Any) -> None:
        if self.frames == 20:
            other = av.VideoFrame.from_ndarray(np.full((frame.height * 3 // 2, frame.width), 128, np.uint8), "yuv420p")
            other.pts, other.time_base = frame.pts, frame.time_base
            frame = other
        super()._encode_picture(frame)


class Faster(ClipFile):
    def __init__(self, path: Path, rate: Fraction, size: tuple[int, int], spec: ClipSpec) -> None:
        super().__init__(path, rate + 1, size, spec)


class StartsLate(ClipFile):
    def _encode_picture(self, frame: Any) -> None:
        frame.pts += 1
        super()._encode_picture(frame)


class Smaller(ClipFile):
    def _add_video(self, size: tuple[int, int]) -> Any:
        return super()._add_video((size[0] - 16, size[1]))


class Tags601(ClipFile):
    def _add_video(self, size: tuple[int, int]) -> Any:
        stream = super()._add_video(size)
        stream.codec_context.colorspace = 6
        return stream

    def _encode_picture(self, frame: Any) -> None:
        frame.colorspace = 6
        super()._encode_picture(frame)


class FourFourFour(ClipFile):
    def _add_video(self, size: tuple[int, int]) -> Any:
        stream = super()._add_video(size)
        stream.pix_fmt = "yuv444p"
        return stream

    def _encode_picture(self, frame: Any) -> None:
        super()._encode_picture(frame.reformat(format="yuv444p"))


class Turned(ClipFile):
    def _add_video(self, size: tuple[int, int]) -> Any:
        stream = super()._add_video(size)
        stream.set_display_rotation(90)
        return stream


class Wide(ClipFile):
    def _add_video(self, size: tuple[int, int]) -> Any:
        stream = super()._add_video(size)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        return stream


def sounding(change: Callable[[Floats], Floats]) -> type[ClipFile]:
    class Changed(ClipFile):
        def _encode_sound(self, samples: Floats) -> None:
            super()._encode_sound(np.ascontiguousarray(change(samples), dtype=np.float32))

    return Changed


def holed(samples: Floats) -> Floats:
    samples = samples.copy()
    samples[30_000:31_500] = 0
    return samples


class Mono(ClipFile):
    def _add_audio(self) -> Any:
        return self._out.add_stream("aac", rate=48_000, layout="mono")

    def _encode_sound(self, samples: Floats) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, :, 0]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        self._out.mux(self._audio.encode(frame))
        self._out.mux(self._audio.encode(None))


class Slower(ClipFile):
    def _add_audio(self) -> Any:
        return self._out.add_stream("aac", rate=44_100, layout="stereo")


class TwoSounds(ClipFile):
    def _add_audio(self) -> Any:
        stream = super()._add_audio()
        self._other = super()._add_audio()
        return stream

    def _encode_sound(self, samples: Floats) -> None:
        super()._encode_sound(samples)
        self._audio, first = self._other, self._audio
        super()._encode_sound(samples)
        self._audio = first


PICTURE_LIES: list[tuple[type[ClipFile], str]] = [
    (DropsAFrame, "number of frames"),
    (LeavesAHole, "frame"),
    (RepeatsAFrame, "frame 8 is not the picture"),
    (LagsOneFrame, "not the picture|late"),
    (DrawsAnother, "frame 20 is not the picture"),
    (Faster, "frame rate"),
    (StartsLate, "start|time of frame"),
    (Smaller, "multiples of 32"),
    (Tags601, "matrix, primaries"),
    (FourFourFour, "pixel format"),
    (Turned, "rotation"),
    (Wide, "aspect"),
]

SOUND_LIES: list[tuple[type[ClipFile], str]] = [
    (sounding(lambda x: np.roll(x, 960, axis=0)), "not in its place|level"),
    (sounding(lambda x: np.roll(x, -960, axis=0)), "not in its place|level"),
    (sounding(lambda x: np.roll(x, 96, axis=0)), "not in its place"),
    (sounding(lambda x: x[:-2048]), "too few"),
    (sounding(lambda x: np.concatenate([x, x[:2048]])), "too many"),
    (sounding(lambda x: x * 0.5), "level"),
    (sounding(lambda x: x * 0), "not in its place|level"),
    (sounding(lambda x: -x), "not in its place"),
    (sounding(lambda x: x[:, ::-1]), "not in its place"),
    (sounding(lambda x: x[:, [0, 0]]), "not in its place|level"),
    (sounding(holed), "level"),
    (Mono, "channels"),
    (Slower, "sound's rate|too"),
    (TwoSounds, "streams"),
]


@pytest.mark.parametrize(("lie", "found"), PICTURE_LIES + SOUND_LIES)
def test_a_lying_encoder_is_found_out(recording: Recording, tmp_path: Path, lie: type[ClipFile], found: str) -> None:
    clip, asked = written(recording, tmp_path, AAC, lie)
    with pytest.raises(ClipMismatch, match=found):
        check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)


def test_movement_too_slow_to_tell_neighbours_apart_still_shows_a_lag(tmp_path: Path) -> None:
    def slow(index: int, width: int, height: int) -> Any:
        picture = np.full((height, width, 3), 100, dtype=np.uint8)
        picture[height // 4 : height // 2, 10 + index : 26 + index] = 130
        return picture

    source = record(film(tmp_path, Video(frames=70, size=(128, 96), draw=slow)))
    clip, asked = written(source, tmp_path / "honest", AAC)
    check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)
    clip, asked = written(source, tmp_path / "lying", AAC, LagsOneFrame)
    with pytest.raises(ClipMismatch, match="1 frame late"):
        check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)


def test_a_low_hum_that_comes_late_is_heard(tmp_path: Path) -> None:
    hum = (tone(60, 4, 48_000, 0.2) + tone(47, 4, 48_000, 0.2)).astype(np.float32)
    source = record(film(tmp_path, Video(frames=70, size=(64, 64)), Audio(hum)))
    clip, asked = written(source, tmp_path / "honest", AAC)
    check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)
    clip, asked = written(source, tmp_path / "lying", AAC, sounding(lambda x: np.roll(x, 120, axis=0)))
    with pytest.raises(ClipMismatch, match="not in its place"):
        check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)


@pytest.mark.parametrize("change", [lambda x: np.roll(x, 1, axis=0), lambda x: x * 0.999, lambda x: x[:-1]])
def test_pcm_must_be_the_very_samples(recording: Recording, tmp_path: Path, change: Any) -> None:
    clip, asked = written(recording, tmp_path, PCM, sounding(change))
    with pytest.raises(ClipMismatch, match=r"sample for sample|too few"):
        check_clip(clip.path, asked, PCM, has_picture=True, proof=clip.proof)


# --- honest clips -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [AAC, PCM, replace(AAC, size=(64, 96)), replace(AAC, crf=30)])
def test_an_honest_clip_passes(recording: Recording, tmp_path: Path, spec: ClipSpec) -> None:
    clip, asked = written(recording, tmp_path, spec)
    check_clip(clip.path, asked, spec, has_picture=True, proof=clip.proof)
    check_clip(clip.path, asked, spec, has_picture=True)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(192_000, np.float32),
        tone(997, 4, 48_000, 0.99),
        tone(15_000, 4, 48_000),
        noise(4, 48_000, 1.0),
        noise(4, 48_000, 0.002),
        np.eye(1, 192_000, 60_000, dtype=np.float32)[0],
        np.sign(tone(120, 4, 48_000)).astype(np.float32),
        np.repeat(noise(2, 24_000, 0.5), 4)[:192_000],
    ],
    ids=["silence", "loud tone", "high tone", "loud noise", "faint noise", "one click", "square", "steps"],
)
def test_no_honest_sound_is_accused(tmp_path: Path, sound: Floats) -> None:
    source = film(tmp_path, Video(frames=70, size=(64, 64)), Audio(sound, codec="pcm_f32le"), name="film.mkv")
    clip, asked = written(record(source), tmp_path, AAC)
    check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)


@pytest.mark.parametrize("crf", [16, 28])
def test_no_honest_picture_is_accused(tmp_path: Path, crf: int) -> None:
    def grain(index: int, width: int, height: int) -> Any:
        return np.random.default_rng(index).integers(0, 255, (height, width, 3), dtype=np.uint8)

    spec = replace(AAC, crf=crf)
    clip, asked = written(record(film(tmp_path, Video(frames=70, size=(64, 64), draw=grain))), tmp_path, spec)
    check_clip(clip.path, asked, spec, has_picture=True, proof=clip.proof)


def test_a_cut_of_other_length_or_rate_is_not_this_clip(recording: Recording, tmp_path: Path) -> None:
    clip, asked = written(recording, tmp_path, AAC)
    for other in (replace(asked, frames=49), replace(asked, frames=33), replace(asked, rate=Fraction(24))):
        with pytest.raises(ClipMismatch):
            check_clip(clip.path, other, AAC, has_picture=True)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_clip_cut_off_is_found_out(recording: Recording, tmp_path: Path, keep: float) -> None:
    clip, asked = written(recording, tmp_path, AAC)
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(ClipMismatch):
        check_clip(clip.path, asked, AAC, has_picture=True, proof=clip.proof)


def test_a_wave_file_is_checked_too(tmp_path: Path) -> None:
    source = record(make(tmp_path / "talk.wav", None, Audio(speech(4))))
    asked = cut(source, 5, 49)
    (clip,) = write_clips(source, None, [asked], AAC, tmp_path / "clips")
    check_clip(clip.path, asked, AAC, has_picture=False, proof=clip.proof)
    data = bytearray(clip.path.read_bytes())
    data[5000] ^= 1
    clip.path.write_bytes(data)
    with pytest.raises(ClipMismatch, match="sample for sample"):
        check_clip(clip.path, asked, AAC, has_picture=False, proof=clip.proof)
    with pytest.raises(ClipMismatch, match="too many"):
        check_clip(clip.path, replace(asked, frames=41), AAC, has_picture=False)
