"""The terminal and the memory that this process has."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from pathlib import Path

from captioner.doctor.facts import Terminal


def terminal() -> Terminal:
    """What standard output is shown on."""
    environment = os.environ
    size = shutil.get_terminal_size()
    kind = environment.get("TERM", "")
    deep = environment.get("COLORTERM", "") in ("truecolor", "24bit") or "direct" in kind
    colours = 2**24 if deep or sys.platform == "win32" else 256 if "256" in kind or kind == "xterm-kitty" else 8
    return Terminal(
        sys.stdout.isatty(), size.columns, size.lines, sys.stdout.encoding or "ascii",
        0 if kind in ("", "dumb", "vt100") and not deep and sys.platform != "win32" else colours, kind,
        "tmux" if "TMUX" in environment else "screen" if kind.startswith("screen") else "",
        "SSH_CONNECTION" in environment,
    )  # fmt: skip


def memory() -> int | None:
    """Bytes that are free, and that this process may take; None where the system does not say."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
        limit = Path("/sys/fs/cgroup/memory.max")
        most = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
        if found:
            return min(int(found[1]) * 1024, int(most) if most.isdigit() else 2**62)
    return None
