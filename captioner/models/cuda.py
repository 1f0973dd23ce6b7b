"""CUDA's libraries, found and loaded before anything needs them; nobody sets LD_LIBRARY_PATH for this.

CTranslate2 asks the loader for `libcublas.so.12` by name when it first computes on a GPU, and aborts the process where
there is none. Here the library is found where it may be (NVIDIA's wheels for CUDA 12 and 13, torch's own folder,
the system's) and loaded first: the loader then gives it to whoever asks for that name. Where only CUDA 13's is there, a
shim of a few hundred bytes that bears the name of 12 and needs 13 is loaded on top; the functions are the same.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

WANTED = 12
"""The CUDA generation that CTranslate2's wheels are made for."""
GENERATIONS = (12, 13)
NAMES = ("libcublasLt", "libcublas")
"""In the order in which they are needed."""
DECODERS = 16
"""Processes that decode video on one GPU at most..."""
A_DECODER = 4 << 30
"""... and bytes of its memory for each: it takes 0.6 GB, and models want the rest."""


@dataclass(frozen=True, slots=True)
class Cuda:
    """What was found on this machine."""

    usable: bool
    why: str
    """In words for the user: which libraries, or what is missing and what to do."""
    loaded: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def ready() -> Cuda:
    """Loads what CTranslate2 will ask for, once in a process. Never raises: what is missing is said in `why`."""
    if sys.platform == "darwin":
        return Cuda(False, "macOS has no CUDA")
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Cuda(False, "no NVIDIA driver is installed")
    if sys.platform == "win32":
        return _windows()
    for generation in GENERATIONS:
        loaded = _load([f"{name}.so.{generation}" for name in NAMES])
        if loaded:
            if generation != WANTED:
                loaded += (_bridge(f"libcublas.so.{WANTED}", f"libcublas.so.{generation}"),)
            return Cuda(True, f"CUDA {generation}: {loaded[1]}", loaded)
    return Cuda(
        False,
        "cuBLAS of CUDA 12 or 13 is not installed: pip install nvidia-cublas-cu12, or pip install 'captioner[gpu]'",
    )


@lru_cache(maxsize=1)
def memories() -> tuple[int, ...]:
    """Bytes of each GPU that this process may use, as NVIDIA's driver counts them; whether a runtime can use them shows
    later."""
    if sys.platform == "darwin":
        return ()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    found = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(found)):
        return ()
    return tuple(_memory(driver, number) for number in range(found.value))


def _memory(driver: Any, number: int) -> int:
    device, size = ctypes.c_int(), ctypes.c_size_t()
    if driver.cuDeviceGet(ctypes.byref(device), number) or driver.cuDeviceTotalMem_v2(ctypes.byref(size), device):
        return 0
    return size.value


def count() -> int:
    """GPUs that this process may use."""
    return len(memories())


def indices(asked: str) -> tuple[int, ...]:
    """The GPUs of this machine that a `device` setting names; none of those that are not there."""
    if asked in ("auto", "cuda"):
        return tuple(range(count()))
    named = [part.strip().removeprefix("cuda:") for part in asked.split(",")]
    wanted = [int(number) for number in named if number.isdigit()]
    return tuple(number for number in wanted if number < count()) if wanted else ()


def decoders(asked: str) -> tuple[int, ...]:
    """Those GPUs, each as often as processes may decode video on it, in turn."""
    held = dict(enumerate(memories()))
    own = {number: min(DECODERS, held.get(number, 0) // A_DECODER) for number in indices(asked)}
    return tuple(number for turn in range(DECODERS) for number, most in own.items() if turn < most)


def _load(names: Sequence[str]) -> tuple[str, ...]:
    """All of these libraries, from the first place that has them all; () where none has."""
    for folder in (*folders(), None):
        paths = [name if folder is None else str(folder / name) for name in names]
        if folder is not None and not all(Path(path).is_file() for path in paths):
            continue
        try:
            for path in paths:
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return tuple(paths)
    return ()


def folders() -> Iterator[Path]:
    """Where CUDA's libraries may be: wheels first, since they were installed for this environment."""
    sites = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path])
    for site in sites:
        root = Path(site)
        if site and (root / "nvidia").is_dir():
            yield from (root / "nvidia" / part / "lib" for part in ("cublas", "cu12", "cu13"))
        if site and (root / "torch" / "lib").is_dir():
            yield root / "torch" / "lib"
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home:
            yield Path(home) / "lib64"
    yield from sorted(Path("/usr/local").glob("cuda-1[23]*/lib64"), reverse=True)


def _windows() -> Cuda:
    """Windows looks in folders that a program adds."""
    found = []
    for site in sys.path:
        for part in sorted(Path(site, "nvidia").glob("*/bin")) if site else []:
            os.add_dll_directory(str(part))  # type: ignore[attr-defined,unused-ignore]
            found.append(str(part))
    return Cuda(True, "CUDA: " + (", ".join(found) or "the system's libraries"), tuple(found))


def _bridge(name: str, needs: str) -> str:
    """Loads a library called `name` that is nothing but `needs`, which is loaded already."""
    with tempfile.NamedTemporaryFile(prefix=f"captioner-{name}-", suffix=".so") as file:
        file.write(shim(name, needs))
        file.flush()
        ctypes.CDLL(file.name, mode=ctypes.RTLD_GLOBAL)
    return name


def shim(name: str, needs: str) -> bytes:
    """An ELF shared library without code: its name is `name`, and whatever is looked up in it is found in `needs`."""
    machine = {"x86_64": 62, "aarch64": 183, "arm64": 183}[os.uname().machine]
    strings = b"\0" + name.encode() + b"\0" + needs.encode() + b"\0"
    header, segment, symbol, page = 64, 56, 24, 0x10000
    at_symbols = header + 2 * segment
    at_hash = at_symbols + symbol  # one symbol: the null one
    at_strings = at_hash + 16
    at_dynamic = (at_strings + len(strings) + 15) // 16 * 16
    tags = [(1, len(name) + 2), (14, 1), (4, at_hash), (5, at_strings), (6, at_symbols)]  # NEEDED SONAME HASH ...
    tags += [(10, len(strings)), (11, symbol), (0, 0)]  # STRSZ SYMENT NULL
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = at_dynamic + len(dynamic)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, header, 0, 0, header, segment, 2, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, size, size, page)  # LOAD, readable and writable
    elf += struct.pack("<IIQQQQQQ", 2, 6, at_dynamic, at_dynamic, at_dynamic, len(dynamic), len(dynamic), 8)
    elf += bytes(symbol) + struct.pack("<IIII", 1, 1, 0, 0)
    return (elf + strings).ljust(at_dynamic, b"\0") + dynamic
