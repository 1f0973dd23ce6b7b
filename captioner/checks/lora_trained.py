"""Whether any audio loss ever reached a LoRA file.

That audio keys are there proves nothing: trainers put adapters on every layer, also where no sound was trained. But
up-matrices start at exactly zero, and what the last block's sound side makes goes into the sound alone. So in the last
block `video_to_audio_attn` and `audio_ff`, and after it `audio_proj_out`, learn from an audio loss or not at all.
Run with LTX's own model under AdamW: "0" is exactly zero, "x" is not.

    run                                 audio_attn   last v2a   last audio_ff   last a2v
    loss on picture and sound               x            x            x             x
    sound present, loss on picture only     x            0            0             x
    loss on sound only                      x            x            x             0
    picture alone                           0            0            0             0
    sound alone                             x            0            x             0

It does not hold where up-matrices never started at zero: extracted, merged, PiSSA, LoftQ, LoKr.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

from captioner.checks.lora_keys import HEARD, LAST_BLOCK, Key
from captioner.checks.safetensors import Tensor, is_zero, pieces


class Sound(StrEnum):
    """What the file says of its sound."""

    TRAINED = "audio was trained"
    NEVER = "audio was never trained"
    ABSENT = "no audio adapters"
    BROKEN = "broken"
    UNKNOWN = "cannot tell whether audio was trained"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, why, and by which keys."""

    sound: Sound
    why: str
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What some up-matrices hold."""

    names: tuple[str, ...]
    zero: bool
    broken: bool = False
    extracted: bool = False

    def __bool__(self) -> bool:
        return bool(self.names)


MOST_READ = 64 * 2**20
"""Bytes of one tensor; the largest up-matrix of LTX-2 at rank 1024 has 33 MB."""

_MOST_RANK = 1024
_LEAST_COLUMNS = 4
_LEAST_ROWS = 64

_STRAIGHT = 0.25
"""An SVD's columns stand at right angles: their mean |cosine| is below this share of what chance gives."""


def judged(file: BinaryIO, tensors: Mapping[str, Tensor], keys: Sequence[Key], made: str | None) -> Verdict:
    """Reads at most the up-matrices of the last block.

    `made` is why up-matrices need not have started at zero; None where nothing speaks against it. Raises BadFormat
    where the file has become shorter.
    """
    known = [key for key in keys if key.ltx]
    if not known:
        return Verdict(Sound.UNKNOWN, "no key is of LTX-2")
    if not any(key.family in HEARD for key in known):
        return Verdict(Sound.ABSENT, "no key is of the sound")
    if made:
        return Verdict(Sound.UNKNOWN, made)
    ups = [key for key in known if key.role == "up"]
    last = max((key.block for key in known if key.block is not None), default=-1)

    def look(*parts: str, block: int | None = last) -> _Look:
        return _look(file, [tensors[key.name] for key in ups if key.part in parts and key.block == block])

    after = look("audio_proj_out", block=None)
    v2a, feed = look("video_to_audio_attn"), look("audio_ff")
    attention, a2v = look("audio_attn1", "audio_attn2"), look("audio_to_video_attn")
    for one in (after, v2a, feed, attention):
        if one.broken:
            return Verdict(Sound.BROKEN, f"{one.names[0]} holds values that are no numbers", one.names)
    if any(one.extracted for one in (v2a, feed, attention)):
        return Verdict(Sound.UNKNOWN, "the columns of its up-matrices are at right angles, as a singular value "
                       "decomposition makes them: it was extracted from a model")  # fmt: skip
    return _verdict(last, after, v2a, feed, attention, a2v)


def _verdict(last: int, after: _Look, v2a: _Look, feed: _Look, attention: _Look, a2v: _Look) -> Verdict:
    names = v2a.names + feed.names + after.names
    if after and not after.zero:
        return Verdict(Sound.TRAINED, "audio_proj_out, which only an audio loss reaches, is not zero", after.names)
    if (v2a and not v2a.zero) or (feed and not feed.zero):
        if last < LAST_BLOCK:
            return Verdict(Sound.UNKNOWN, f"its highest block is {last}; only block {LAST_BLOCK} would tell", names)
        return Verdict(Sound.TRAINED, f"the sound side of block {last} is not zero", names)
    if feed or not attention:
        if names:
            return Verdict(Sound.NEVER, f"{_told(names)} are all exactly zero", names)
        return Verdict(Sound.UNKNOWN, f"block {last} has none of the up-matrices that would tell")
    names += attention.names
    if attention.zero:
        return Verdict(Sound.NEVER, f"{_told(names)} are all exactly zero", names)
    if a2v and a2v.zero and last >= LAST_BLOCK:
        return Verdict(Sound.TRAINED, f"block {last} learnt sound and nothing of the picture", names + a2v.names)
    if v2a and a2v:
        return Verdict(Sound.NEVER, f"{_told(v2a.names)} are all exactly zero", names)
    return Verdict(Sound.UNKNOWN, f"the audio_attn of block {last} learn from a picture's loss too")


def _told(names: Sequence[str]) -> str:
    return f"the {len(names)} up-matrices of the last block's sound side" if len(names) > 1 else names[0]


def _look(file: BinaryIO, tensors: Iterable[Tensor]) -> _Look:
    tensors = list(tensors)
    filled = [one for one in tensors if not is_zero(file, one)]
    looks = [_values(file, one) for one in filled]
    return _Look(
        tuple(one.name for one in tensors),
        zero=not filled,
        broken=any(broken for broken, _ in looks),
        extracted=bool(looks) and all(straight for _, straight in looks),
    )


def _values(file: BinaryIO, tensor: Tensor) -> tuple[bool, bool]:
    """Whether any value is no number, and whether its columns are at right angles. Memory: a piece, rank x rank."""
    import numpy as np

    if len(tensor.shape) != 2 or tensor.end - tensor.start > MOST_READ or tensor.dtype not in _DECODED:
        return False, False
    rows, rank = tensor.shape
    if not _LEAST_COLUMNS <= rank <= _MOST_RANK or rows < max(_LEAST_ROWS, 2 * rank):
        return any(not np.isfinite(floats(piece, tensor.dtype)).all() for piece in pieces(file, tensor)), False
    products = np.zeros((rank, rank))
    rest = np.zeros(0, np.float32)
    for piece in pieces(file, tensor):
        values = np.concatenate([rest, floats(piece, tensor.dtype)])
        if not np.isfinite(values).all():
            return True, False
        whole = len(values) // rank * rank
        table = values[:whole].reshape(-1, rank).astype(np.float64)
        products += table.T @ table
        rest = values[whole:]
    lengths = np.sqrt(np.diag(products))
    used = lengths > 0
    if used.sum() < _LEAST_COLUMNS:
        return False, False
    cosines = np.abs(products[np.ix_(used, used)] / np.outer(lengths[used], lengths[used]))
    count = int(used.sum())
    mean = (cosines.sum() - count) / (count * (count - 1))
    by_chance = float(np.sqrt(2 / (np.pi * rows)))
    return False, bool(mean < _STRAIGHT * by_chance)


_DECODED = {"F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E4M3"}


def floats(data: bytes, dtype: str) -> Any:
    """(n,) of little-endian bytes, n the number of elements: float64 for F64, else float32."""
    import numpy as np

    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "F8_E5M2":
        return (np.frombuffer(data, np.uint8).astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if dtype == "F8_E4M3":
        return _e4m3()[np.frombuffer(data, np.uint8)]
    if dtype == "F64":
        return np.frombuffer(data, "<f8")
    return np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)


def _e4m3() -> Any:
    """All 256 values: 4 bits of exponent with a bias of 7, 3 of mantissa, no infinity."""
    import numpy as np

    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    size = np.where(exponent > 0, (8 + mantissa) * 2.0 ** (exponent - 10), mantissa * 2.0**-9)
    values = np.where(codes & 128, -size, size)
    values[[127, 255]] = np.nan
    return values.astype(np.float32)
