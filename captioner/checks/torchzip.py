"""The program in a `.pt` file: a zip archive with stored entries, read no further than that, and never unpacked."""

from __future__ import annotations

import zipfile
import zlib
from typing import BinaryIO

from captioner.checks.findings import printable

MOST_PICKLE = 2**20
"""Bytes of the program; a cache of latents has some hundred."""
MOST_DIRECTORY = 4 * 2**20
"""Bytes of the archive's table of contents."""
_TAIL = 65_557
"""Bytes at the end of a zip in which its end record stands: the record and the longest comment."""


class Wrong(ValueError):
    """What is wrong with a file, without its name."""


def program(file: BinaryIO) -> bytes:
    """The pickle in the archive. Reads the end of the file, its table of contents and this entry, nothing else."""
    size = file.seek(0, 2)
    file.seek(0)
    first = file.read(4)
    if first[:2] == b"\x80\x02" and size > 20:
        raise Wrong("torch's format of before 2020; cache it again")
    if first != b"PK\x03\x04":
        raise Wrong("empty" if not size else "not a file of torch (no zip archive); cache it again")
    _prove_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [one for one in archive.infolist() if one.filename.rpartition("/")[2] == "data.pkl"]
            if len(entries) != 1:
                raise Wrong(f"{len(entries)} programs called data.pkl; a file of torch has one")
            entry = entries[0]
            if entry.compress_type != zipfile.ZIP_STORED:
                raise Wrong("compressed inside, which torch never does: it may unfold to any size")
            if entry.file_size > MOST_PICKLE:
                raise Wrong(f"a program of {entry.file_size:,} bytes; a cache has some hundred")
            with archive.open(entry) as opened_entry:
                return opened_entry.read(MOST_PICKLE)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise Wrong(f"a damaged zip archive ({printable(str(error))[:80]}); cache it again") from error
    except (OSError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(f"a damaged zip archive ({printable(str(error))[:80]}); cache it again") from error


def _prove_directory(file: BinaryIO, size: int) -> None:
    """Raises Wrong where there is no end record, or where the table of contents is too long to be read whole."""
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise Wrong("cut short: the end of the archive is missing; cache it again")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    long_record = tail.rfind(b"PK\x06\x06", 0, at)
    if long_record >= 0 and len(tail) - long_record >= 48:
        longer = int.from_bytes(tail[long_record + 40 : long_record + 48], "little")
        length = longer if length == 2**32 - 1 else max(length, longer)
    if length > MOST_DIRECTORY:
        raise Wrong(f"a table of contents of {length:,} bytes; a cache has some hundred")
