"""Journals: files of JSON lines that are only ever added to.

Half a last line is what a crash left of something that was never confirmed: it is passed by, and the next line takes
its place. Nothing that stands whole is ever touched.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from captioner.errors import StoreError


def read_lines(path: Path, holds: str, start: int = 0) -> tuple[list[bytes], int]:
    """The whole lines from byte `start` on, and the byte behind the last of them; none where there is no file.

    A last line without its end counts where it is whole JSON. `holds` says for people what the file has in it. Raises
    StoreError where it cannot be read.
    """
    whole, tail = _split(path, holds, start)
    if tail and _is_json(tail):
        whole, tail = [*whole, tail], b""
        return whole, start + sum(map(len, whole)) + len(whole) - 1
    return whole, start + sum(map(len, whole)) + len(whole)


def append_line(path: Path, line: bytes, holds: str) -> int:
    """Add a line (without its end); it is on the disk when this returns. Returns the byte at which it begins.

    Raises StoreError where it cannot be written; then nothing of it stays.
    """
    _, tail = _split(path, holds, _last_end(path, holds))
    try:
        fresh = not path.exists()
        with path.open("r+b" if not fresh else "xb") as file:
            end = file.seek(0, os.SEEK_END)
            at, before = (end, b"\n") if tail and _is_json(tail) else (end - len(tail), b"")
            file.truncate(at)
            file.seek(at)
            try:
                file.write(before + line + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                _take_back(path, at)
                raise
        if fresh:
            _sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); nothing was changed") from error
    return at + len(before)


def _take_back(path: Path, size: int) -> None:
    """A full disk can hold a part of the line; the next try must not find it."""
    try:
        os.truncate(path, size)
    except OSError:
        return  # then half a line stays behind, which readers pass by


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is; Windows knows no such thing."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_end(path: Path, holds: str, block: int = 1 << 16) -> int:
    """The byte behind the last line end, found from the end of the file."""
    try:
        with path.open("rb") as file:
            at = file.seek(0, os.SEEK_END)
            while at:
                low = max(0, at - block)
                file.seek(low)
                found = file.read(at - low).rfind(b"\n")
                if found >= 0:
                    return low + found + 1
                at = low
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); it holds {holds}") from error
    return 0


def _split(path: Path, holds: str, start: int) -> tuple[list[bytes], bytes]:
    """The lines that have an end, and what stands behind the last of them."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            *whole, tail = file.read().split(b"\n")
    except FileNotFoundError:
        return [], b""
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); it holds {holds}") from error
    return whole, tail


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True
