"""Opening a media file, and choosing the streams that count.

Every way in which FFmpeg or the file system can refuse ends as a `MediaError` that says what, where and what next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.logging
from av.stream import Discard, Disposition

from captioner.errors import Broken, MediaError, NoAudio, NotMedia

_DEMUXERS = "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,wav,w64,flac,mp3,aac,ogg,caf,aiff,asf,flv,ac3,eac3"
"""Only containers of sound and pictures. Playlists are kept out: opening one would open whatever it names."""

INDEXED = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""Suffixes of containers whose index finds a key frame exactly."""

_MAGIC = {4: (b"ftyp", b"moov", b"mdat", b"wide", b"free"), 0: (b"RIFF", b"\x1aE\xdf\xa3", b"fLaC", b"OggS", b"ID3")}
"""Offset -> what the beginnings of well-known containers look like, to tell a damaged film from a text file."""

_CONVERSIONS = (ArithmeticError, ValueError)
"""What PyAV's own conversions raise where a damaged header holds a number that makes no sense."""


_OF_WAVES = {"max_size": str(3 << 13), "probesize": str(3 << 13)}
"""For WAVs: bytes of a packet, which FFmpeg makes as small as 1,024 samples, though what Python does for each takes far
longer than to decode it; and bytes in which FFmpeg looks whether the samples are a coded stream in disguise. It would
go through 5 MB, which takes longer than all the rest; the frames of such streams have a few thousand. No more than one
packet, or it looks twice."""

_TRIES = 8
"""Reads that may fail one after the other before the file counts as ended."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An `av` input container for `path`; errors of FFmpeg inside the block become `MediaError`s.

    Raises NotMedia for a folder or a file that is no container; Broken for one that is damaged, empty, gone or not
    readable.
    """
    av.logging.set_libav_level(av.logging.PANIC)
    try:
        _refuse_early(path)
        with _open(path) as container:
            yield container
    except MediaError:
        raise
    except PermissionError as error:
        raise Broken(f"{path}: permission denied; make it readable or leave it out") from error
    except FileNotFoundError as error:
        raise Broken(f"{path}: no such file; it was moved or deleted since it was found") from error
    except (av.error.FFmpegError, OSError, *_CONVERSIONS) as error:
        raise Broken(f"{path}: cannot be decoded ({error}); export it again from its source") from error


def _open(path: Path) -> Any:
    source = f"file:{path.absolute()}"  # else a name such as `a:b.mp4` would be taken for a protocol
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    if _is_wave(path):
        options |= _OF_WAVES
    try:
        return av.open(source, "r", container_options=options, metadata_errors="replace")
    except (PermissionError, FileNotFoundError):
        raise
    except (av.error.FFmpegError, *_CONVERSIONS) as error:
        raise _unreadable(path) from error


def _refuse_early(path: Path) -> None:
    if path.is_dir():
        raise NotMedia(f"{path}: a folder, not a media file; give the files in it")
    if path.stat().st_size == 0:
        raise Broken(f"{path}: empty (0 bytes); copy it again from its source")


def _is_wave(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE"


def _unreadable(path: Path) -> MediaError:
    with path.open("rb") as file:
        head = file.read(16)
    known = any(head[offset : offset + len(mark)] == mark for offset, marks in _MAGIC.items() for mark in marks)
    if not known:
        return NotMedia(f"{path}: not a media file, whatever its name says; remove it or rename it")
    if head[4:8] in _MAGIC[4]:
        return Broken(
            f"{path}: its index (the moov box) is missing or damaged, so the recording was never finished or was cut "
            "off; copy it again or repair it"
        )
    return Broken(f"{path}: damaged near its beginning; copy it again from its source")


def video_stream(container: Any) -> Any | None:
    """The moving picture: the default stream, else the best; None for sound with or without cover art."""
    moving = [stream for stream in container.streams.video if not _is_still(stream) and stream.codec_context]
    if not moving:
        return None
    return _default_of(moving) or _best(container, "video", moving)


def audio_stream(container: Any, wanted: int | None, path: Path) -> Any:
    """The `wanted`-th audio stream (from 0), else the one with the default flag, else FFmpeg's choice.

    Raises NoAudio where there is none, or not that one.
    """
    streams = list(container.streams.audio)
    if not streams:
        raise NoAudio(f"{path}: no audio stream; captions need sound")
    if wanted is not None:
        if not 0 <= wanted < len(streams):
            there = "; ".join(f"{number}: {_told(stream)}" for number, stream in enumerate(streams))
            raise NoAudio(f"{path}: no audio stream {wanted}; choose one of {there}")
        return _decodable(streams[wanted], path)
    usable = [stream for stream in streams if stream.codec_context]
    if not usable:
        return _decodable(streams[0], path)
    return _default_of(usable) or _best(container, "audio", usable)


def by_index(container: Any, index: int, path: Path) -> Any:
    """The stream with that index. Raises Broken where the file has changed since it was probed."""
    if index >= len(container.streams):
        raise Broken(f"{path}: changed since it was read first; run again")
    return container.streams[index]


def only(container: Any, *streams: Any) -> None:
    """Tells the demuxer to skip every stream but these."""
    keep = {stream.index for stream in streams}
    for stream in container.streams:
        if stream.index not in keep:
            stream.discard = Discard.all


def packets(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """The streams' packets from where the container stands, without the empty ones that flush a decoder.

    Reads on after an error as long as something comes.
    """
    indices = {stream.index for stream in streams}
    failures = 0
    while failures < _TRIES:
        try:
            for packet in container.demux(*streams):
                if packet.size and packet.stream_index in indices:
                    failures = 0
                    yield packet
            return
        except IndexError:
            return  # PyAV's own flush, at the end, trips over a stream that appeared midway
        except (av.error.FFmpegError, *_CONVERSIONS):
            failures += 1


def _decodable(stream: Any, path: Path) -> Any:
    if not stream.codec_context:
        raise Broken(f"{path}: no decoder for its sound; convert the sound to AAC or WAV")
    return stream


def _is_still(stream: Any) -> bool:
    return bool(
        stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image)
    )


def _default_of(streams: list[Any]) -> Any | None:
    """The first stream that is flagged default."""
    flagged = [stream for stream in streams if stream.disposition & Disposition.default]
    return flagged[0] if flagged else None


def _best(container: Any, kind: str, among: list[Any]) -> Any:
    best = container.streams.best(kind)
    return best if best in among else among[0]


def _told(stream: Any) -> str:
    context = stream.codec_context
    if not context:
        return "unknown codec"
    words = [stream.codec.canonical_name, f"{stream.rate} Hz", f"{stream.channels} channels"]
    return ", ".join([*words, *([stream.language] if stream.language else [])])
