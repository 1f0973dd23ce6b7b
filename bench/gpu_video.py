"""Decoding and encoding alone, on all cores and on NVDEC: what the row of written video clips can reach at best."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from captioner.errors import CaptionerError

FRAMES = 121
"""Of a clip."""
SIZE = (512, 512)
SECONDS = 2.5
"""That each is measured for."""
WANTED = 50.0
"""Clips of 5 s a second."""

_start: Any = None


def _begin(barrier: Any) -> None:
    global _start
    _start = barrier


def together(work: str, path: Path, processes: int) -> float | str:
    """Frames a second of `work` in that many processes at the same time, or why there are none."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with context.Pool(processes, _begin, (context.Barrier(processes),)) as pool:
        rates = pool.map(_rate, [(work, str(path))] * processes, chunksize=1)
    failed = [rate for rate in rates if isinstance(rate, str)]
    return failed[0] if failed else round(sum(rates), 1)


def _rate(asked: tuple[str, str]) -> float | str:
    work, path = asked
    try:
        rounds = WORKS[work](Path(path))
        next(rounds)  # what is not measured: opening, and a first round
    except (av.FFmpegError, OSError, ValueError, CaptionerError) as error:  # the others wait for this one
        _start.wait()
        return f"none ({type(error).__name__}: {error})"
    _start.wait()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        count += next(rounds)
    return count / (time.perf_counter() - start)


def _decoded(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        stream.thread_count, stream.thread_type = 1, "NONE"
        yield from source.decode(stream)


def _software(path: Path) -> Iterator[int]:
    while True:
        for _ in _decoded(path):
            yield 1


def _hardware(path: Path) -> Iterator[int]:
    """Cropped and scaled by it, as the clips are."""
    from captioner.media.decoding import Nvdec
    from captioner.media.picture import Converter
    from captioner.media.probe import probe

    video = probe(path)[1]
    assert video is not None
    window = Converter(video, SIZE, path.parent).window
    with av.open(str(path)) as source:
        session = Nvdec(0, source.streams.video[0], window)
        while True:
            source.seek(0)
            for packet in source.demux(source.streams.video[0]):
                yield len(session.decode(packet if packet.size else None))
            session.restart()


def _encoding(path: Path) -> Iterator[int]:
    """x264 as it writes the clips, a clip a round."""
    from captioner.media.clipfile import ClipFile, ClipSpec
    from captioner.media.picture import Converter
    from captioner.media.probe import probe

    video = probe(path)[1]
    assert video is not None
    converter, frames = Converter(video, SIZE, path.parent), []
    for number, frame in enumerate(_decoded(path)):
        frames += [made for _, made in converter.convert(frame, number)]
        if len(frames) == FRAMES:
            break
    target = path.parent / f"alone{multiprocessing.current_process().pid}.mp4"
    while True:
        clip = ClipFile(target, Fraction(25), SIZE, ClipSpec(size=SIZE, crf=18, preset="fast"))
        for frame in frames:
            clip._encode_picture(_timed(frame, clip.frames))
            clip.frames += 1
        clip._out.mux(clip._video.encode(None))
        clip.abandon()
        yield len(frames)


def _timed(frame: Any, number: int) -> Any:
    frame.pict_type, frame.pts, frame.time_base = 0, number, Fraction(1, 25)
    return frame


WORKS: dict[str, Callable[[Path], Iterator[int]]] = {
    "x264": _encoding, "software": _software, "NVDEC": _hardware,
}  # fmt: skip


def alone(path: Path, cores: int) -> dict[str, Any]:
    """Of a 1080p film: clips a second of x264 alone; frames a second of decoding alone, in software and on NVDEC."""
    encoded = together("x264", path, cores)
    return {
        "x264 alone on all cores, clips a second": _clips(encoded),
        "software decoding alone on all cores, frames a second": together("software", path, cores),
        "NVDEC alone, one session, frames a second": together("NVDEC", path, 1),
        f"NVDEC alone, {cores} sessions, frames a second": together("NVDEC", path, cores),
    }


def _clips(frames: float | str) -> float | str:
    return frames if isinstance(frames, str) else round(frames / FRAMES, 1)


def misses(reached: float, floor: float | str) -> str:
    """Why the wanted clips a second are not reached, in words."""
    if isinstance(floor, str):
        return f"x264 alone could not be measured: {floor}"
    return (
        f"{WANTED / reached:.1f} times too few: x264 alone at these settings makes {floor:.1f} a second on these "
        f"cores, and there is no NVENC; {reached / floor:.0%} of that is reached"
    )
