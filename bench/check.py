"""How long `captioner check` takes over many clips, and how much memory: fresh, again, and after one change.

    python bench/check.py [--clips 20000] [--folder DIR]

A few clips are cut from `sample_dataset` as captioner writes them, and stand under many names, each with a caption of
its own and a config for ai-toolkit, so that nearly all rules run. Files are hard links: the disk is warm. Times are of
whole processes. Exits with 1 where a promise of the README is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FRESH, AGAIN = 60.0, 3.0
"""Seconds for 20,000 clips."""
MOST_MEMORY = 400.0
"""MB for 20,000 clips."""
FRAMES = (49, 73, 97, 121)

CONFIG = """job: extension
config:
  name: bench
  process:
  - type: sd_trainer
    trigger_word: ema_voice
    model: {{name_or_path: Lightricks/LTX-2.3, arch: ltx2.3}}
    datasets:
    - {{folder_path: {folder}, caption_ext: txt, auto_frame_count: true, do_audio: true, fps: 25}}
"""

CHILD = """
import json, resource, sys, time
begin = time.perf_counter()
from pathlib import Path
from captioner.checks.configs import read_config
from captioner.checks.running import Request, check
folder, config, memory = map(Path, sys.argv[1:])
report = check(Request(folder, trainer="ai-toolkit", config=read_config(config, "ai-toolkit"), memory=memory))
print(json.dumps({
    "seconds": time.perf_counter() - begin, "cpu": time.process_time(), "clips": report.clips,
    "findings": len(report.findings), "rules": len(report.ran), "remembered": report.remembered,
    "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
}))
"""


def sources(folder: Path) -> list[Path]:
    """A few clips as captioner writes them."""
    from captioner.media.cutting import ClipSpec, write_clips
    from captioner.media.probe import probe
    from captioner.types import Cut, Recording

    film = next((ROOT / "sample_dataset" / "raw").rglob("sonnet.mp4"))
    recording = Recording(str(film), film.name, "sonnet", "0" * 64, *probe(film))
    cuts = [Cut("sonnet", 100 + 150 * place, frames, Fraction(25), ()) for place, frames in enumerate(FRAMES)]
    return [made.path for made in write_clips(recording, None, cuts, ClipSpec(preset="ultrafast"), folder)]


def filled(folder: Path, made: list[Path], count: int) -> None:
    """So many clips of other names, each with a caption of its own."""
    folder.mkdir()
    for number in range(count):
        name = f"take{number // 50:04}_f{number % 50 * 121}n{FRAMES[number % len(made)]}"
        os.link(made[number % len(made)], folder / f"{name}.mp4")
        (folder / f"{name}.txt").write_text(
            f'ema_voice, a young woman speaks in a calm voice in room {number}. Speech: "This is sentence number '
            f'{number} of so many others." Sounds: clear female speech, quiet room tone, no music.\n'
        )


def timed(folder: Path, memory: Path) -> dict[str, float]:
    config = folder.with_suffix(".yaml")
    config.write_text(CONFIG.format(folder=folder))
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, folder, config, memory], capture_output=True, text=True, check=True, cwd=ROOT
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told | {"seconds": time.perf_counter() - begin}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where to make them (default: a temporary folder)")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="captioner-bench-", dir=given.folder))
    try:
        return measured(scratch, given.clips)
    finally:
        shutil.rmtree(scratch)


def measured(scratch: Path, clips: int) -> int:
    made = sources(scratch / "sources")
    memory = scratch / "memory.sqlite"
    rows = []
    for count in (clips // 10, clips):
        folder = scratch / f"clips{count}"
        filled(folder, made, count)
        rows.append((f"{count:,} clips, fresh", timed(folder, memory)))
        rows.append((f"{count:,} clips, nothing changed", timed(folder, memory)))
        next(folder.glob("*.txt")).write_text("ema_voice, another caption.\n")
        rows.append((f"{count:,} clips, one caption changed", timed(folder, memory)))
    print(f"{'':34}{'seconds':>9}{'CPU s':>8}{'MB':>7}{'rules':>7}{'findings':>10}")
    for name, row in rows:
        print(
            f"{name:34}{row['seconds']:9.2f}{row['cpu']:8.2f}{row['mb']:7.0f}{row['rules']:7.0f}{row['findings']:10.0f}"
        )
    fresh, again, _ = (row for _, row in rows[3:])
    scale = clips / 20_000
    held = fresh["seconds"] < FRESH * scale and again["seconds"] < max(1.0, AGAIN * scale) and again["remembered"]
    return 0 if held and fresh["mb"] < MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
