"""A02: whether the trainer's own Python can open the sound of a clip."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, rule, rules_in
from captioner.checks.view import ClipView, View

SECONDS = 120
"""Importing torch takes some ten on a cold disk."""

_PROBE = """
import sys
import torchaudio
waveform, rate = torchaudio.load(sys.argv[1])
print("samples", waveform.shape[-1], "rate", rate)
"""


@rule(
    "A02", ERROR, "the trainer's Python cannot open a clip's sound", trainers=("ltx", "id-lora"), needs="python",
    cost="its loader swallows the error: every such clip is trained as if it had no sound, or dropped",
    advice="install torchaudio and torchcodec of one release, and FFmpeg's libraries, in the trainer's environment",
)  # fmt: skip
def decoding(view: View) -> Iterator[Finding]:
    assert view.python is not None
    for clip in _probes(view):
        why = failure(view.python, clip.path)
        if why is not None:
            yield decoding.finding(clip.name, f"{view.python}: {why}")


def _probes(view: View) -> list[ClipView]:
    """One clip of each codec in each kind of file."""
    kinds: dict[tuple[str, str], ClipView] = {}
    for clip in view.playable:
        if clip.media.sound is not None:
            kinds.setdefault((clip.extension.lower(), clip.media.sound.codec), clip)
    return list(kinds.values())


def failure(python: Path, clip: Path) -> str | None:
    """Why torchaudio there cannot load a clip; None where it can."""
    try:
        done = subprocess.run(
            [str(python), "-c", _PROBE, str(clip)], capture_output=True, text=True, timeout=SECONDS, check=False,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"torchaudio.load did not come back in {SECONDS} s"
    except OSError as error:
        return f"cannot be started ({error.strerror}); give the trainer's own interpreter"
    words = done.stdout.split()
    if done.returncode == 0 and "samples" in words:
        return None if words[words.index("samples") + 1] != "0" else "torchaudio.load gives no samples"
    last = [line for line in done.stderr.splitlines() if line.strip()]
    return last[-1][:300] if last else f"torchaudio.load ended with code {done.returncode}"


RULES = rules_in(globals())
