"""How the review feels, in numbers: in a real terminal, with as many clips as a person may have.

    python bench/review.py                      # 20,000 and 100,000 made clips
    python bench/review.py --clips 20000

Bytes and CPU time come first, for they are the same on a busy machine; then wall time. Beside each stands what is
wanted of a quiet modern core; a run is good where all are within twice that.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.made_dataset import make_dataset  # noqa: E402
from tests.terminal import Terminal, captioner  # noqa: E402

READY = "? help"
KEYS = 120
"""Presses of a key that is measured."""
TICK = 1000 / os.sysconf("SC_CLK_TCK")


class Table:
    """Prints as it goes: name, measured, wanted."""

    def __init__(self) -> None:
        self.over: list[str] = []

    def say(self, name: str, value: float, unit: str, wanted: float | None = None, *, gate: float = 2.0) -> None:
        told = "" if wanted is None else f"{wanted:g} {unit}"
        bad = wanted is not None and value > max(wanted * gate, wanted)
        mark = "" if wanted is None else "OVER" if bad else "ok" if value <= wanted else "ok (within twice)"
        self.over += [name] if bad else []
        print(f"  {name:<44} {value:>9.4g} {unit:<6} {told:>12}  {mark}", flush=True)


def cpu(pid: int) -> float:
    """Milliseconds of CPU that a process and its threads have had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def woken(pid: int) -> int:
    """How often its threads went to sleep by themselves: what has been woken."""
    texts = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("voluntary"))


def resident(pid: int) -> float:
    """MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) / 1024 if found else 0.0


def pressed(terminal: Terminal, keys: list[str]) -> Iterator[tuple[float, int]]:
    """For each key: milliseconds to the last byte of its answer, and bytes."""
    for key in keys:
        began = time.perf_counter()
        terminal.send(key)
        data, last = b"", began
        pause = 1.0
        while select.select([terminal.fd], [], [], pause)[0]:
            data += os.read(terminal.fd, 65536)
            last, pause = time.perf_counter(), 0.02
        terminal.stream.feed(data)
        yield (last - began) * 1000, len(data)


def keys_told(table: Table, terminal: Terminal, name: str, keys: list[str], wanted: tuple[float, ...]) -> None:
    """`wanted`: bytes, CPU ms, p50 ms, p95 ms; 0 where nothing is said of it."""
    before = cpu(terminal.pid)
    found = list(pressed(terminal, keys))
    spent = (cpu(terminal.pid) - before) / len(keys)
    times = sorted(one for one, _ in found)
    values = (
        statistics.median(size for _, size in found), spent, statistics.median(times), times[int(len(times) * 0.95)],
    )  # fmt: skip
    for what, unit, value, limit in zip(
        ("bytes, median", "CPU", "wall, median", "wall, p95"), ("B", "ms", "ms", "ms"), values, wanted, strict=True
    ):
        table.say(f"{name}: {what}", value, unit, limit or None)


def stands(terminal: Terminal, wanted: str) -> tuple[float, float]:
    """Milliseconds of wall and CPU time after which the bytes had come that show `wanted`. They are drawn only when
    none come, so that nobody waits for the terminal of this bench, which is a slow one."""
    came: list[tuple[float, float, bytes]] = []
    while True:
        if select.select([terminal.fd], [], [], 0.02)[0]:
            data = os.read(terminal.fd, 65536)
            came.append(((time.perf_counter() - terminal.started) * 1000, cpu(terminal.pid), data))
            continue
        found = None
        for wall, spent, data in came:
            terminal.feed(data)
            if found is None and wanted in terminal.text:
                found = wall, spent
        came.clear()
        if found is not None:
            return found
        if time.perf_counter() > terminal.started + 60:
            raise TimeoutError(f"{wanted!r} never came")


def start_up(table: Table, out: Path) -> None:
    """Three starts; the best counts, for others use the machine too."""
    firsts, pages, readies, spent, lost = [], [], [], [], 0
    for _ in range(3):
        with Terminal(captioner("review", out, "--sound", "none"), 140, 40) as terminal:
            for walls, used, wanted in ((firsts, pages, "Browse"), (readies, spent, READY)):
                wall, busy = stands(terminal, wanted)
                walls.append(wall)
                used.append(busy)
                if wanted != READY:
                    terminal.send("jjjjj")
            terminal.read(quiet=0.5)
            found = re.search(r"▌\S?\s+(\d+)", terminal.text)
            lost += 6 - int(found[1]) if found else 5
    table.say("first page: CPU", min(pages), "ms")
    table.say("first page: wall", min(firsts), "ms", 60)
    table.say("keys typed ahead and lost, of 15", lost, "", 0)
    table.say("interactive: CPU", min(spent), "ms")
    table.say("interactive: wall", min(readies), "ms", 400)


def at_the_screen(table: Table, out: Path) -> None:
    start_up(table, out)
    with Terminal(captioner("review", out, "--sound", "none"), 140, 40) as terminal:
        terminal.wait(READY, 60)
        terminal.read(quiet=0.6)
        list(pressed(terminal, ["j"] * 5))
        keys_told(table, terminal, "cursor key", ["j", "k", "j", "j"] * (KEYS // 4), (700, 0, 5, 16))
        keys_told(table, terminal, "page jump", ["\x1b[6~", "\x1b[6~", "\x1b[5~"] * 10, (6000, 0, 0, 0))
        list(pressed(terminal, ["e"]))
        typed = list("the lantern was left by the river " * 4)
        keys_told(table, terminal, "key in an editor", typed, (0, 0, 0, 16))
        list(pressed(terminal, ["\x1b"]))
        terminal.read(quiet=1.0)
        before = woken(terminal.pid)
        time.sleep(3)
        table.say("idle: wake-ups a second", (woken(terminal.pid) - before) / 3, "", 0)
        table.say("memory, media idle", resident(terminal.pid), "MiB", 80)


def timed(doing: Callable[[], object], times: int = 1) -> tuple[float, float]:
    """Best wall and CPU milliseconds of a few runs."""
    walls, spents = [], []
    for _ in range(times):
        wall, spent = time.perf_counter(), time.process_time()
        doing()
        walls.append((time.perf_counter() - wall) * 1000)
        spents.append((time.process_time() - spent) * 1000)
    return min(walls), min(spents)


def at_the_desk(table: Table, out: Path) -> None:
    from captioner.review.desk import Desk

    with Desk(out) as desk:
        desk.item()
        for name, query, wanted in (
            ("filter by state and trust", "st:todo conf:<.7", 20),
            ("filter by a text", '"lantern"', 20),
        ):
            wall, spent = timed(lambda query=query: desk.do("filter", query=query), 3)  # type: ignore[misc]
            table.say(f"{name}: CPU", spent, "ms")
            table.say(f"{name}: wall", wall, "ms", wanted)
        desk.do("clear-filter")
        wall, spent = timed(lambda: desk.do("search", text="/riv(er|al)/"), 3)
        table.say("search, regular expression: wall", wall, "ms", 50)
        commits = []
        for number in range(200):
            clip = desk.session.ids[number]
            wall, _ = timed(lambda clip=clip, n=number: desk.do("flag", clip=clip, note=str(n)))  # type: ignore[misc]
            commits.append(wall)
        commits.sort()
        table.say("a decision on the disk: wall, median", commits[100], "ms")
        table.say("a decision on the disk: wall, p99", commits[198], "ms", 5)
        desk.do("filter", query='"lantern"')
        preview = desk.replace_preview("lantern", "candle")
        wall, spent = timed(lambda: desk.do("replace", find="lantern", instead="candle", confirmed=True))
        table.say(f"replace in {preview.clips} clips: CPU", spent, "ms")
        table.say(f"replace in {preview.clips} clips: wall", wall, "ms", 200 * preview.clips / 6000)
        wall, spent = timed(lambda: desk.do("undo"))
        table.say("undo it: CPU", spent, "ms")
        table.say("undo it: wall", wall, "ms", 150 * preview.clips / 6000)


def prime(out: Path) -> None:
    """As a build leaves it: what is known of all voices is stored."""
    from captioner.review.desk import Desk

    with Desk(out) as desk:
        desk.item()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--folder", type=Path, help="keep the made datasets here and use them again")
    given = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory() as scratch:
        for clips in given.clips:
            kept = (given.folder or Path(scratch)) / f"review{clips}"
            if not kept.exists():
                make_dataset(kept, clips)
                prime(kept)
            out = Path(scratch) / f"run{clips}"
            shutil.copytree(kept, out)
            print(f"{clips:,} clips, 140 x 40, load {os.getloadavg()[0]:.1f}".replace(",", " "))
            at_the_screen(table, out)
            at_the_desk(table, out)
    print(f"over twice what is wanted: {', '.join(table.over) or 'none'}")
    return 1 if table.over else 0


if __name__ == "__main__":
    sys.exit(main())
