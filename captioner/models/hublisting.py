"""What a hub lists of a repository. Names and hashes become paths here, so they are proven first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as the hub lists it."""

    name: str
    size: int | None
    sha256: str | None
    git: str | None

    @property
    def blob(self) -> str:
        """Its name among the blobs."""
        return self.sha256 or self.git or ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The wanted files of one commit."""

    commit: str
    files: tuple[Listed, ...]


def read_listing(said: Any) -> tuple[str, list[Listed]]:
    commit = said["sha"]
    if not (isinstance(commit, str) and _is_hex(commit, 40)):
        raise ValueError(commit)
    return commit, [_listed(one) for one in said["siblings"]]


def _listed(one: Mapping[str, Any]) -> Listed:
    name, size, git, large = one["rfilename"], one.get("size"), one.get("blobId"), one.get("lfs") or {}
    sha256 = large.get("sha256") or large.get("oid")
    # A hub is foreign: a name must not lead out of the folder, and a hash becomes a file's name.
    if not isinstance(name, str) or not _stays_inside(name):
        raise ValueError(name)
    if size is not None and (not isinstance(size, int) or size < 0):
        raise ValueError(size)
    if not (_is_hex(sha256, 64) or (sha256 is None and _is_hex(git, 40))):
        raise ValueError(git)
    return Listed(name, size, sha256, None if sha256 else git)


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    forbidden = any(part in ("..", "") or ":" in part or "\\" in part or "\0" in part for part in parts)
    return bool(parts) and not forbidden and not name.startswith("/")


def _is_hex(text: object, length: int) -> bool:
    return isinstance(text, str) and len(text) == length and set(text) <= set("0123456789abcdef")
