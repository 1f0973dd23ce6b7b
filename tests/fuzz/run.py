"""Feeds readers of foreign files with spoilt files until a time is over, guided by coverage where atheris is installed.

python tests/fuzz/run.py                    all readers, 30 s each
python tests/fuzz/run.py yaml toml --seconds 600
python tests/fuzz/run.py yaml crash-0123    one file again

Ends with 1 where a reader raised what is no typed error; the bytes that did it stand in the folder it was run in, as
crash-*.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent.parent)]

from targets import TARGETS, Target  # noqa: E402  a script finds its own folder first

LONGEST = 8192


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"readers ({', '.join(TARGETS)}), and files to read again")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = [name for name in given.names if name in TARGETS] or list(TARGETS)
    files = [Path(name) for name in given.names if name not in TARGETS]
    if files:
        return _again(names, files)
    if given.child:
        if _has_atheris():
            _guided(names[0], given.seconds)
        else:
            _blind(names[0], TARGETS[names[0]], given.seconds)
        return 0
    broken = []
    for name in names:
        code = _child(name, given.seconds)
        broken += [name] if code else []
        print(f"{name}: {'BROKEN' if code else 'ok'}", flush=True)
    return 1 if broken else 0


def _has_atheris() -> bool:
    from importlib.util import find_spec

    return find_spec("atheris") is not None


def _again(names: list[str], files: list[Path]) -> int:
    for name in names:
        for file in files:
            TARGETS[name](file.read_bytes())
            print(f"{name} {file}: ok")
    return 0


def _child(name: str, seconds: float) -> int:
    """In a process of its own: libFuzzer ends the one that it runs in."""
    return subprocess.run(
        [sys.executable, __file__, name, "--seconds", str(seconds), "--child"], check=False
    ).returncode


def _guided(name: str, seconds: float) -> None:
    import atheris  # type: ignore[import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["captioner", "yaml", "tomllib"]):
        for seed in TARGETS[name].seeds:
            TARGETS[name](seed)  # imports what it needs
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(TARGETS[name].seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        flags = [f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=2048",
                 "-verbosity=0", "-print_final_stats=0", folder]  # fmt: skip
        atheris.Setup([sys.argv[0], *flags], TARGETS[name])
        atheris.Fuzz()


def _blind(name: str, target: Target, seconds: float) -> None:
    """Without coverage: seeds with pieces cut out, doubled and written over. Raises what the reader raises, and
    leaves the bytes in a file."""
    dice, until = random.Random(1), time.monotonic() + seconds
    while time.monotonic() < until:
        data, fine = spoilt(dice.choice(target.seeds), dice), False
        try:
            target(data)
            fine = True
        finally:
            if not fine:
                crash = Path(f"crash-{name}-{hashlib.sha256(data).hexdigest()[:12]}")
                crash.write_bytes(data)
                print(f"{name}: the bytes are in {crash}", file=sys.stderr)


PIECES = (b"[", b"{", b"&a *a", b"\n", b'"', b": ", b"\xff", b"\x00", b"-->", b"9" * 9)


def spoilt(data: bytes, dice: random.Random) -> bytes:
    """The bytes with a few places changed."""
    for _ in range(dice.randint(1, 8)):
        start = dice.randint(0, len(data))
        end = min(len(data), start + dice.randint(0, 24))
        random_bytes = dice.randbytes(dice.randint(1, 4))
        piece = dice.choice([b"", data[start:end] * 2, data[:end], random_bytes, dice.choice(PIECES)])
        data = (data[:start] + piece + data[end:])[:LONGEST]
    return data


if __name__ == "__main__":
    sys.exit(main())
