"""Files that an export makes: a speaker's reference sound, and a picture for sound that has none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import SettingsError
from captioner.exporting.dataset import Clip
from captioner.types import CLIP_RATE, cut_samples

if TYPE_CHECKING:
    from captioner.media.timeline import Floats

LENGTH = 5.0
"""Seconds of a reference."""
LEVEL, PEAK = -20.0, -1.0
"""dBFS: the mean that a reference is brought to, and what its loudest sample may reach."""
FADE_IN, FADE_OUT = 20, 60
"""Milliseconds."""

COLOURS = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "gray": (128, 128, 128),
    "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255),
}  # fmt: skip
SIZE = (512, 512)
"""Pixels of a still, where the dataset has no size of its own."""


# -- references ----------------------------------------------------------------------------------------------------


def ranked(clips: Sequence[Clip]) -> Mapping[str, Sequence[Clip]]:
    """Each speaker's clips that speak, the best reference first: undoubted, near 5 s, clean."""
    found: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=_worth):
        if clip.cut.speaker is not None and clip.cut.text:
            found.setdefault(clip.cut.speaker, []).append(clip)
    return found


def reference_for(clip: Clip, among: Mapping[str, Sequence[Clip]]) -> Clip | None:
    """The best clip of its speaker that shares no sound with it, of those that `ranked` gave; None where none does."""
    for one in among.get(clip.cut.speaker or "", ()):
        apart = one.recording != clip.recording or one.cut.span.overlap(clip.cut.span) == 0
        if one.id != clip.id and apart:
            return one
    return None


def _worth(clip: Clip) -> tuple[bool, float, str]:
    cut = clip.cut
    clean = (cut.quality.overall or 0.0) + min(cut.scene.snr or 0.0, 40.0) / 20
    return bool(cut.all_doubts), round(abs(cut.span.duration - LENGTH), 1) - clean, clip.id


def write_reference(clip: Clip, target: Path) -> None:
    """16-bit WAV, 48 kHz stereo: at most 5 s of the clip, at one level, faded. Raises MediaError."""
    import numpy as np

    from captioner.media.clipfile import write_wave
    from captioner.media.soundtrack import quantise

    segment = _segment(quantise(heard(clip)))
    loudness = segment.dBFS
    if loudness != float("-inf"):
        segment = segment.apply_gain(min(LEVEL - loudness, PEAK - segment.max_dBFS))
    segment = segment[: round(LENGTH * 1000)].fade_in(FADE_IN).fade_out(FADE_OUT)
    samples = np.array(segment.get_array_of_samples(), dtype=np.float32).reshape(-1, 2)
    scratch = target.with_suffix(".part")
    write_wave(scratch, samples / np.float32(32768))
    scratch.replace(target)


def _segment(samples: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for an ffmpeg that nothing here needs
        from pydub import AudioSegment
    return AudioSegment(data=samples.tobytes(), sample_width=2, frame_rate=CLIP_RATE, channels=2)


def heard(clip: Clip) -> Floats:
    """float32 (n, 2): all sound of a written clip, 48 kHz. Raises MediaError."""
    import numpy as np

    from captioner.media.container import opened
    from captioner.media.timeline import audio_frames

    _, count = cut_samples(clip.cut.start, clip.cut.frames, clip.cut.rate)
    samples = np.zeros((count, 2), dtype=np.float32)
    with opened(clip.media) as container:
        for piece in audio_frames(container, container.streams.audio[0], Fraction(0)):
            low, high = max(0, piece.start), min(count, piece.start + len(piece.samples))
            if low < high:
                samples[low:high] = piece.samples[low - piece.start : high - piece.start]
    return samples


# -- stills --------------------------------------------------------------------------------------------------------


def check_still(still: str) -> None:
    """Raises SettingsError where it is neither a colour nor a picture."""
    if _colour(still) is not None:
        return
    if Path(still).is_file() and Path(still).stat().st_size:
        _picture(Path(still))
    else:
        raise SettingsError(
            f"--still {still}: neither a picture file nor a colour; give a file, #rrggbb or one of "
            + ", ".join(sorted(COLOURS))
        )


def _picture(path: Path) -> Any:
    """uint8 (h, w, 3), RGB. Raises SettingsError."""
    import cv2
    import numpy as np

    found = cv2.imdecode(np.frombuffer(path.read_bytes(), dtype=np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise SettingsError(f"--still {path}: not a picture that can be read; give a PNG or JPEG, or a colour")
    return np.ascontiguousarray(found[:, :, ::-1])


def _colour(still: str) -> tuple[int, int, int] | None:
    if re.fullmatch(r"#[0-9a-fA-F]{6}", still):
        return int(still[1:3], 16), int(still[3:5], 16), int(still[5:7], 16)
    return COLOURS.get(still.lower())


def write_still(clip: Clip, still: str, size: tuple[int, int] | None, target: Path) -> None:
    """A clip that shows one picture while the sound of a clip without picture is heard, checked as every clip is.

    Raises MediaError, SettingsError, ClipMismatch.
    """
    from captioner.media.check import check_clip
    from captioner.media.clipfile import ClipFile, ClipSpec

    shape = size or SIZE
    spec = ClipSpec(size=shape, preset="ultrafast", threads=1)
    file = ClipFile(target, clip.cut.rate, shape, spec)
    try:
        file.sound(heard(clip))
        file.picture(_drawn(still, shape), clip.cut.frames)
        proof = file.close()
        check_clip(target, clip.cut, spec, has_picture=True, proof=proof)
    except BaseException:
        file.abandon()
        raise


def _drawn(still: str, size: tuple[int, int]) -> Any:
    """The picture as a yuv420p frame of that size, scaled to fill it and cropped in the middle."""
    import av
    import numpy as np

    colour = _colour(still)
    if colour is not None:
        pixels = np.broadcast_to(np.array(colour, dtype=np.uint8), (size[1], size[0], 3))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709")
    pixels = _picture(Path(still))
    height, width = pixels.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    wide, high = max(size[0], round(width * scale)), max(size[1], round(height * scale))
    source = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    scaled: Any = source.reformat(wide, high, "rgb24", interpolation="AREA" if scale < 1 else "BICUBIC").to_ndarray()
    left, top = (wide - size[0]) // 2, (high - size[1]) // 2
    cropped = np.ascontiguousarray(scaled[top : top + size[1], left : left + size[0]])
    return av.VideoFrame.from_ndarray(cropped, format="rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
