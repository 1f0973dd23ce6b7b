"""What a clip's file says of itself, in a millisecond or two: MP4 and MOV by their index, others by their packets.

Nothing is decoded of an MP4 or MOV, so that 20,000 clips take well under a minute.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from captioner.checks.view import AUDIO, AudioFacts, Media
from captioner.errors import MediaError
from captioner.media.container import by_index, only, opened, packets, video_stream
from captioner.media.rates import average_rate, constant_rate
from captioner.media.timeline import first_frames

_TURNS = (0, 90, 180, 270)
_MOST_BOXES = 10_000
_MOST_SAMPLES = 1 << 40


def probed(path: Path) -> Media:
    """The facts of one file; one that cannot be opened has an `error` instead. Never raises for what a file holds."""
    try:
        return _probed(path)
    except MediaError as error:
        return Media(error=str(error).removeprefix(f"{path}: "))


def _probed(path: Path) -> Media:
    with opened(path) as container:
        video = None if path.suffix[1:].lower() in AUDIO else video_stream(container)
        sounds = tuple(_sound(stream) for stream in container.streams.audio if stream.codec_context)
        if video is None:
            return Media(audio=tuple(_counted(sounds, container)))
        entries = video.index_entries if video.frames else ()
        if video.frames and len(entries) == video.frames and "mp4" in container.format.name:
            return _indexed(path, video, entries, sounds)
        promised = int(video.frames) or None
        base = _picture(video)
        index = int(video.index)
    return _walked(path, index, promised, base, sounds)


def _indexed(path: Path, video: Any, entries: Any, sounds: tuple[AudioFacts, ...]) -> Media:
    """By the index: how many of its frames are really in the file, and when they are shown."""
    size = path.stat().st_size
    there = [entry for entry in entries if entry.pos + entry.size <= size and not entry.is_discard]
    rate, variable = _rate([entry.timestamp for entry in there], video)
    base = _picture(video)
    promised = sum(1 for entry in entries if not entry.is_discard)
    return Media(
        frames=len(there), container_frames=promised, rate=rate, variable=variable, rotation=rotation(path),
        audio=sounds, **base,
    )  # fmt: skip


def _rate(stamps: list[int], stream: Any) -> tuple[Fraction | None, bool]:
    """The rate of frames with these times, in ticks of the stream, and whether it varies."""
    tick = Fraction(stream.time_base)
    claims = [stream.average_rate, stream.base_rate, stream.guessed_rate]
    steps = {after - before for before, after in pairwise(stamps)}
    if len(steps) == 1 and (step := steps.pop()) > 0:
        exact = 1 / (step * tick)
        near = [claim for claim in claims if claim and abs(claim / exact - 1) < Fraction(1, 2000)]
        return (exact if exact.denominator in (1, 1001) or not near else near[0]), False
    found = constant_rate([[float(stamp * tick) for stamp in stamps]], claims)
    if found is not None:
        return found, False
    # What a loader takes for the rate: frames over duration, as the container has it.
    return next((claim for claim in claims if claim), None), True


def _picture(video: Any) -> dict[str, Any]:
    context = video.codec_context
    return {
        "width": int(context.width) if context else 0,
        "height": int(context.height) if context else 0,
        "video_start": _start(video),
        "video_codec": str(video.codec.canonical_name) if context else "",
    }


def _start(stream: Any) -> float:
    return round(float((stream.start_time or 0) * stream.time_base), 6) if stream.time_base else 0.0


def _sound(stream: Any) -> AudioFacts:
    from av.stream import Disposition

    rate = int(stream.rate or 0)
    length = stream.duration * stream.time_base if stream.duration and stream.time_base else 0
    return AudioFacts(
        codec=str(stream.codec.canonical_name), rate=rate, channels=int(stream.channels or 0), start=_start(stream),
        samples=min(_MOST_SAMPLES, max(0, round(length * rate))),
        default=bool(stream.disposition & Disposition.default), title=str(stream.metadata.get("title", "")),
    )  # fmt: skip


def _counted(sounds: tuple[AudioFacts, ...], container: Any) -> Iterator[AudioFacts]:
    """Sound alone: the container's own length where a stream says none."""
    for one in sounds:
        length = Fraction(container.duration or 0, 1_000_000)
        yield one if one.samples else replace(one, samples=max(0, round(length * one.rate)))


def _walked(
    path: Path, index: int, promised: int | None, base: dict[str, Any], sounds: tuple[AudioFacts, ...]
) -> Media:
    """By its packets, its first picture and its first sound."""
    with opened(path) as container:
        video = by_index(container, index, path)
        stamps, spans = _timed(container, video)
        claims = [video.average_rate, video.base_rate, video.guessed_rate]
        streams = [stream.index for stream in container.streams.audio if stream.codec_context]
    rate = constant_rate([stamps], [average_rate(stamps), *claims])
    known, turn = [], 0
    for stream_index, one in zip(streams, sounds, strict=False):
        heard, turn = _first(path, stream_index, index)
        begins, ends = spans.get(stream_index, (Fraction(0), Fraction(0)))
        begins = begins if heard is None else heard  # what the decoder skips of the first packets is not heard
        samples = max(0, round((ends - begins) * one.rate)) or one.samples
        known.append(replace(one, samples=samples, start=round(float(begins), 6)))
    if not known:
        turn = _first(path, None, index)[1]
    start = {"video_start": round(stamps[0], 6)} if stamps else {}
    return Media(
        frames=len(stamps), container_frames=promised, rate=rate or next((one for one in claims if one), None),
        variable=rate is None and len(stamps) > 1, rotation=turn, audio=tuple(known), **(base | start),
    )  # fmt: skip


def _timed(container: Any, video: Any) -> tuple[list[float], dict[int, tuple[Fraction, Fraction]]]:
    """Seconds at which each picture is shown, in order; and from when to when each audio stream lasts."""
    tick = float(video.time_base)
    stamps: list[float] = []
    spans: dict[int, tuple[Fraction, Fraction]] = {}
    for packet in packets(container, [video, *container.streams.audio]):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.is_discard:
            continue
        if packet.stream_index == video.index:
            stamps.append(stamp * tick)
            continue
        begin = stamp * packet.time_base
        end = begin + (packet.duration or 0) * packet.time_base
        first, last = spans.get(packet.stream_index, (begin, end))
        spans[packet.stream_index] = (min(first, begin), max(last, end))
    return sorted(stamps), spans


def _first(path: Path, sound: int | None, picture: int) -> tuple[Fraction | None, int]:
    """(when the first sample is heard on the file's own clock, the rotation of the first picture)."""
    with opened(path) as container:
        video = by_index(container, picture, path)
        audio = video if sound is None else by_index(container, sound, path)
        only(container, audio, video)
        heard, seen = first_frames(container, audio, video)
    turn = _quarter(-int(seen[1].rotation)) if seen is not None else 0
    return (heard[0] if heard is not None and sound is not None else None), turn


def _quarter(degrees: float) -> int:
    turn = degrees % 360
    return min(_TURNS, key=lambda quarter: abs((turn - quarter + 180) % 360 - 180))


def rotation(path: Path) -> int:
    """Degrees clockwise by which the picture of an MP4 or MOV is to be turned, by the matrix of its track header
    (ISO/IEC 14496-12, 8.3.2); 0 where there is none or it is damaged."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for kind, start, end in _boxes(file, 0, size):
                if kind == b"moov":
                    return _track_rotation(file, start, end)
    except (OSError, struct.error):
        pass
    return 0


def _track_rotation(file: IO[bytes], start: int, end: int) -> int:
    for kind, inside, until in _boxes(file, start, end):
        if kind != b"trak":
            continue
        for part, first, last in _boxes(file, inside, until):
            if part == b"tkhd" and last - first >= 84:
                file.seek(first)
                head = file.read(min(last - first, 104))
                skip = 52 if head[:1] == b"\x01" else 40
                matrix = struct.unpack(">9i2I", head[skip : skip + 44])
                if matrix[9]:  # tracks of sound have no width
                    return _quarter(math.degrees(math.atan2(matrix[1], matrix[0])))
                break
    return 0


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte inside, first byte behind) of the boxes in a stretch of the file."""
    at = start
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        inside = at + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            inside += 8
        elif size == 0:
            size = end - at
        if size < inside - at or at + size > end:
            return
        yield kind, inside, at + size
        at += size
