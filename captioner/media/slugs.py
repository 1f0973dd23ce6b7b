"""ASCII names for recordings, from which the names of all their clips are made. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

LONGEST = 60
"""Characters of a slug: a clip's name adds frame numbers and a suffix, and some file systems end at 143 bytes."""

_SHORT_HASH = 8

_PLAIN = str.maketrans({"ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
"""Latin letters that Unicode does not take apart."""

_RESERVED = "latent_"
"""Some trainers take files that begin so for their own caches."""


def slugs(names: Sequence[str]) -> list[str]:
    """One slug for each name (a path with slashes): [a-z0-9_-]+, at most 60 characters, all different.

    None makes a clip's name begin with `latent_`. A slug is made from the name's stem alone, so that moving a folder
    renames nothing. Where names share one, all of them get a hash of their path: which of them a bare slug means would
    otherwise depend on what else lies in the folder, and a trainer's cache would show one recording's clip under the
    name of another's. So when a second file with a stem appears, the clips of the first are renamed once, and from
    then on no further file changes them.
    """
    plain = [_slug(name) for name in names]
    often = Counter(plain)
    keys = _keys(names)
    for digits in range(_SHORT_HASH, LONGEST - len("x_"), 8):
        made = [
            slug if often[slug] == 1 else f"{slug[: LONGEST - digits - 1]}_{_hash(key, digits)}"
            for slug, key in zip(plain, keys, strict=True)
        ]
        clashes = {slug for slug, count in Counter(made).items() if count > 1}
        if not clashes:
            return made
        often.update(slug for slug, name in zip(plain, made, strict=True) if name in clashes)
    raise AssertionError("names whose hashes are alike")


def _slug(name: str) -> str:
    stem = PurePosixPath(name).stem
    letters = unicodedata.normalize("NFKD", stem.casefold().translate(_PLAIN))
    ascii_only = "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()
    slug = re.sub(r"[^a-z0-9_-]+", "_", ascii_only)[:LONGEST].strip("_-")
    if not slug:
        return _hash(stem, _SHORT_HASH)
    return f"clip_{slug}"[:LONGEST] if f"{slug}_".startswith(_RESERVED) else slug


def _keys(names: Sequence[str]) -> list[str]:
    """What is hashed: the name, and its turn where the very same name comes again."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        seen[name] += 1
        keys.append(name if seen[name] == 1 else f"{name}\0{seen[name]}")
    return keys


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
