"""How a build shows its progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TextIO


class Plain:
    """A line when a stage begins, one a minute while it runs, one when it ends. For logs and dumb terminals."""

    EVERY = 60.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name = ""

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._end()

    def stage(self, name: str, total: float, unit: str) -> None:
        self._end()
        self._name, self._total, self._unit = name, total, unit
        self._done, self._start, self._said = 0.0, time.monotonic(), time.monotonic()
        self._print(f"{name}: {total:.0f} {unit}")

    def advance(self, amount: float) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._said >= self.EVERY and self._done:
            self._said = now
            left = (now - self._start) / self._done * max(0.0, self._total - self._done)
            self._print(f"{self._name}: {self._done:.0f} of {self._total:.0f} {self._unit}, {left:.0f} s left")

    def say(self, text: str) -> None:
        self._end()
        self._print(text)

    def _end(self) -> None:
        if self._name:
            took = time.monotonic() - self._start
            self._print(f"{self._name}: done in {took:.1f} s{_speed(self._total, self._unit, took)}")
            self._name = ""

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bars:
    """A bar a stage with speed and time left, drawn by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: int | None = None
        self._start = 0.0

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._end()
        self._progress.stop()

    def stage(self, name: str, total: float, unit: str) -> None:
        self._end()
        self._unit, self._start = unit, time.monotonic()
        self._task = self._progress.add_task(name, total=total, unit=unit, speed="")

    def advance(self, amount: float) -> None:
        if self._task is None:
            return
        from rich.progress import TaskID

        task = self._progress.tasks[self._progress.task_ids.index(TaskID(self._task))]
        speed = _speed(task.completed + amount, self._unit, time.monotonic() - self._start)
        self._progress.update(TaskID(self._task), advance=amount, speed=speed)

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def _end(self) -> None:
        if self._task is not None:
            from rich.progress import TaskID

            task = self._progress.tasks[self._progress.task_ids.index(TaskID(self._task))]
            self._progress.update(TaskID(self._task), completed=task.total)
            self._task = None


def _speed(done: float, unit: str, took: float) -> str:
    if took <= 0 or done <= 0:
        return ""
    return f" ({done / took:.1f}x real time)" if unit == "seconds" else f" ({done / took:.1f} {unit} a second)"
