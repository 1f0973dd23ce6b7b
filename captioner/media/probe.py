"""What is in a media file: which sound, which picture, how they lie to each other. Reads little, decodes less."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from captioner.errors import Broken
from captioner.media.container import audio_stream as choose_audio
from captioner.media.container import by_index, only, opened, packets, video_stream
from captioner.media.rates import average_rate, constant_rate
from captioner.media.timeline import first_frames
from captioner.types import AudioStream, VideoStream

_HEAD = 3000
"""Packets of picture whose times are read from the beginning. Files that end before are counted exactly."""
_WINDOW = 250
"""Packets read at each of the places further on."""
_PLACES = 6

_LONGEST = 3600.0
"""Seconds between the first sample and the first picture beyond which a timestamp must be damaged."""

_TRANSFERS = {16: "pq", 18: "hlg"}
_TURNS = (0, 90, 180, 270)


def probe(path: Path, *, audio_stream: int | None = None) -> tuple[AudioStream, VideoStream | None]:
    """The sound that captions are made from and the picture beside it, None where there is only sound.

    `audio_stream`: which audio stream, counted from 0; without it the default one, else FFmpeg's choice. The offset is
    measured by decoding the first of each, so edit lists and codec delay are in it. Costs a few thousand packets at
    most, however long the file is. Raises NotMedia, NoAudio (also for a stream that is not there) or Broken.
    """
    with opened(path) as container:
        audio = choose_audio(container, audio_stream, path)
        video = video_stream(container)
        only(container, audio, *([video] if video else []))
        heard, seen = first_frames(container, audio, video)
        if heard is None:
            raise Broken(f"{path}: none of its sound can be decoded ({_codec(audio)}); export it again from its source")
        if video is not None and seen is None:
            raise Broken(f"{path}: no picture can be decoded ({_codec(video)}); export it again from its source")
        offset = heard[0] - seen[0] if seen is not None else Fraction(0)
        if abs(offset) > _LONGEST:
            raise Broken(
                f"{path}: sound and picture lie {float(abs(offset)):.0f} s apart, a damaged timestamp; remux it"
            )
        sound = _sound(container, audio, float(offset), float(heard[0]))
        frame, index = (seen[1], video.index) if seen is not None and video is not None else (None, 0)
        shape = _shape(video, frame) if frame is not None else {}
        end = _seconds(video, float(seen[0])) if video is not None and seen is not None else None
    if frame is None:
        return sound, None
    rate, variable, frames = _rate(path, index)
    return sound, VideoStream(rate=rate, variable=variable, frames=frames, duration=end, **shape)


def _sound(container: Any, stream: Any, offset: float, first: float) -> AudioStream:
    return AudioStream(
        index=stream.index,
        codec=stream.codec.canonical_name,
        rate=int(stream.rate),
        channels=int(stream.channels),
        offset=round(offset, 6),
        duration=_seconds(stream, first) if _declares(container, stream) else None,
    )


def _declares(container: Any, stream: Any) -> bool:
    """Whether the stream's duration is declared, not guessed from a bit rate or from the last timestamps."""
    form = container.format.name
    if form == "mp3":
        return bool(stream.start_time)  # set by the header of LAME and Xing, which also counts the frames
    return form not in ("aac", "mpegts", "mpeg", "ac3", "eac3")


def _shape(stream: Any, frame: Any) -> dict[str, Any]:
    aspect = stream.sample_aspect_ratio
    turn = -int(frame.rotation) % 360
    return {
        "index": stream.index,
        "codec": stream.codec.canonical_name,
        "width": frame.width,
        "height": frame.height,
        "rotation": min(_TURNS, key=lambda quarter: abs((turn - quarter + 180) % 360 - 180)),
        "pixel_aspect": aspect if aspect and Fraction(1, 8) <= aspect <= 8 else Fraction(1),
        "interlaced": bool(frame.interlaced_frame),
        "transfer": _TRANSFERS.get(int(frame.color_trc), "sdr"),
    }


def _seconds(stream: Any, first: float) -> float | None:
    """The declared duration. Matroska has a tag instead that says when the stream ends; `first` is when it begins."""
    if stream.duration is not None and stream.time_base is not None and stream.duration > 0:
        return round(float(stream.duration * stream.time_base), 6)
    parts = str(stream.metadata.get("DURATION", "")).split(":")
    if len(parts) != 3 or not all(part.strip().replace(".", "", 1).isdecimal() for part in parts):
        return None
    hours, minutes, rest = (float(part) for part in parts)
    length = hours * 3600 + minutes * 60 + rest - first
    return round(length, 6) if length > 0 else None


def _rate(path: Path, index: int) -> tuple[Fraction, bool, int | None]:
    """Rate, whether it varies, and the number of frames where it is known without reading the whole file."""
    with opened(path) as container:
        stream = by_index(container, index, path)
        only(container, stream)
        indexed = _indexed(stream)
        runs, whole = ([indexed], True) if indexed else _sampled(container, stream)
        claims = [stream.average_rate, stream.base_rate, stream.guessed_rate]
        count = len(runs[0]) if whole else (stream.frames or None)
        rate = constant_rate(runs, claims)
        # An MP4's own average is frames over duration; Matroska's is whatever its writer was told.
        guesses = claims if indexed else [average_rate(runs[0]), *claims]
        average = next((guess for guess in guesses if guess), None)
    if rate is not None:
        return rate, False, count
    if average is None:
        raise Broken(f"{path}: its pictures carry no times; export it again from its source")
    return average, True, count


def _indexed(stream: Any) -> list[float]:
    """Times of all frames from the container's index (MP4, MOV), without reading the file; empty where it has none.

    They are decoding times: as regular, or not, as those at which the frames are shown.
    """
    entries = stream.index_entries
    if not stream.frames or len(entries) != stream.frames:
        return []
    tick = float(stream.time_base)
    return [entry.timestamp * tick for entry in entries]


def _sampled(container: Any, stream: Any) -> tuple[list[list[float]], bool]:
    """Times from the head of the file and, if it is longer, from places further on; and whether that was all of it."""
    head = _times(container, stream, _HEAD)
    if len(head) < _HEAD:
        return [head], True
    runs = [head]
    length = float(container.duration or 0) / 1_000_000
    first = float(container.start_time or 0) / 1_000_000
    for place in range(1, _PLACES + 1):
        at = first + length * place / (_PLACES + 1)
        container.seek(int(at / stream.time_base), stream=stream)
        # The first packets after a seek may be shown before ones that the seek left out.
        runs.append(_times(container, stream, _WINDOW)[16:])
    return runs, False


def _times(container: Any, stream: Any, limit: int) -> list[float]:
    """When the next `limit` packets are shown, sorted; packets that an edit list hides are left out."""
    shown = (packet for packet in packets(container, [stream]) if not packet.is_discard)
    stamps = [packet.pts if packet.pts is not None else packet.dts for packet in islice(shown, limit)]
    tick = float(stream.time_base)
    times = sorted(stamp * tick for stamp in stamps if stamp is not None)
    # The last few wait for frames between them that lie beyond the limit.
    return times[:-16] if len(stamps) == limit else times


def _codec(stream: Any) -> str:
    return str(stream.codec.canonical_name)
