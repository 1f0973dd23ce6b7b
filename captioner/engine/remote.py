"""A model in a child process: a native abort, memory run out or a hang costs the call, never the run.

`House` is the process, which may hold several models; `Remote` is one of them and stands in for it. After a death the
next call starts the process again. What a call that died was about is found by halving, in `Local.batch`.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from captioner.engine.child import BEHIND
from captioner.engine.compiled import kept
from captioner.engine.wire import receive, send
from captioner.errors import BackendMissing, ModelDied, ModelError, OutOfMemory, WeightsMissing

PATIENCE = 900.0
"""Seconds without any sign of progress after which a call is taken to hang."""
LOADING = 1800.0
"""Seconds that loading may take: weights may have to be fetched first."""
LAST_WORDS = 600
"""Bytes of what a process wrote last that go into the error."""
GRACE = 0.2
"""Seconds in which a process that is told to end may do so by itself."""
_STOPPING = 5.0


class House:
    """A child process that holds models. Several threads may ask it; it answers one after the other."""

    def __init__(
        self, name: str, patience: float = PATIENCE, environment: Mapping[str, str] | None = None, *,
        behind: bool = False,
    ) -> None:  # fmt: skip
        """`behind`: other processes go first where cores are few, for those that keep a GPU busy are among them."""
        self.name = name
        self.patience = patience
        self._behind = behind
        self.turn = threading.RLock()
        """Held from asking until the answer: who asks several things that belong together holds it for all."""
        self._environment = dict(environment or {})
        """What is set in the process's environment beside the parent's."""
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._errors: Any = None
        self.starts = 0
        """How many processes there have been; a model of an earlier one is gone."""

    def ask(
        self, verb: str, key: Any, what: str, arguments: tuple[Any, ...], patience: float,
        progress: Callable[[float], None] | None = None,
    ) -> Any:  # fmt: skip
        """The child's answer. Raises what the model raised, ModelDied where the process died or hung."""
        with self.turn:
            return self._ask((verb, key, what, arguments), patience, progress)

    def _ask(self, question: tuple[Any, ...], patience: float, progress: Callable[[float], None] | None) -> Any:
        process = self._running()
        try:
            send(cast("BinaryIO", process.stdin), question)
        except OSError:
            raise self._died() from None
        while True:
            try:
                kind, value = self._answers.get(timeout=patience)
            except queue.Empty:
                raise self._hung(patience) from None
            if kind == "progress":
                if progress is not None:
                    self._tell(progress, value)
            elif kind == "done":
                return value
            elif kind == "error":
                raise value
            elif kind == "end":
                raise self._died()

    def _tell(self, progress: Callable[[float], None], value: float) -> None:
        try:
            progress(value)
        except BaseException:
            self.close(0.0)  # nobody waits for this answer any more, which the next question would get
            raise

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._ended:
            raise ModelDied(f"{self.name}: ended")
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._answers = queue.SimpleQueue()
        self.starts += 1
        # The same interpreter and the same modules, also where they were found by a changed path.
        path = {"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
        environment = os.environ | kept() | self._environment | path | ({BEHIND: "1"} if self._behind else {})
        lower = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) if self._behind else 0
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "captioner.engine.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, creationflags=lower,
        )  # fmt: skip
        threading.Thread(target=_listen, args=(process.stdout, self._answers), daemon=True).start()
        if self._ended:  # while it was started
            process.kill()
        return process

    def _died(self) -> ModelDied:
        assert self._process is not None
        try:
            code = self._process.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        words = self._last_words()
        killed = code == -getattr(signal, "SIGKILL", 9)
        said = f"{self.name}: its process died ({_how(code)}){words}"
        self.close()
        return ModelDied(said + (": the system had no memory left, most likely" if killed else ""), killed=killed)

    def _hung(self, patience: float) -> ModelDied:
        self.close()
        return ModelDied(f"{self.name}: no sign of life for {patience:g} s; its process was ended")

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - LAST_WORDS))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""

    def end(self) -> None:
        """Ends the process now, whatever it does and whoever waits for it, for good."""
        self._ended = True
        process = self._process
        if process is not None:
            process.kill()

    def dismiss(self) -> None:
        """Tells the process to end, and does not wait for it: `close` does."""
        process = self._process
        if process is not None:
            with suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()

    def close(self, grace: float = GRACE) -> None:
        """Ends the process, if there is one; the next question starts another. `grace`: seconds that it has left."""
        self.dismiss()
        self.expire(grace)
        process, self._process = self._process, None
        if process is not None:
            process.wait()
            self._errors.close()

    def expire(self, grace: float) -> None:
        """Ends the process, if it has not ended in `grace` seconds. That takes one with a GPU's memory a second, which
        is not waited for: `close` does."""
        process = self._process
        if process is not None:
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()


def close_all(houses: Iterable[House]) -> None:
    """Ends their processes, which have `GRACE` together, and end at the same time."""
    told = list(houses)
    for house in told:
        house.dismiss()
    until = time.monotonic() + GRACE
    for house in told:
        house.expire(max(0.0, until - time.monotonic()))
    for house in told:
        house.close()


def _listen(stream: Any, answers: queue.SimpleQueue[Any]) -> None:
    with stream:
        while True:
            try:
                answers.put(receive(stream))
            except (EOFError, OSError, ValueError):
                answers.put(("end", None))
                return


def _how(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit status {code}"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to load a model: its module and its options, on one device."""

    module: str
    options: Any
    device: str


class StandIn:
    """The protocols' methods, for whatever stands in for a model: each is one `_call`."""

    def _call(self, method: str, batch: Sequence[Any], rest: tuple[Any, ...], progress: Any) -> list[Any]:
        raise NotImplementedError

    def listen(self, audios: Sequence[Any], progress: Any = None) -> list[Any]:
        return self._call("listen", audios, (), progress)

    def diarize(self, audios: Sequence[Any], hint: Any, progress: Any = None) -> list[Any]:
        return self._call("diarize", audios, (hint,), progress)

    def transcribe(self, batch: Sequence[Any], progress: Any = None) -> list[Any]:
        return self._call("transcribe", batch, (), progress)

    def align(self, batch: Sequence[Any], progress: Any = None) -> list[Any]:
        return self._call("align", batch, (), progress)

    def tag(self, audios: Sequence[Any], progress: Any = None) -> list[Any]:
        return self._call("tag", audios, (), progress)

    def measure(self, batch: Sequence[Any], progress: Any = None) -> list[Any]:
        return self._call("measure", batch, (), progress)


class Remote(StandIn):
    """Stands in for a model of any role. `ways` are tried in order when the model is loaded; what did not work is told
    to `say`."""

    def __init__(self, house: House, what: str, ways: Sequence[Way], say: Callable[[str], None]) -> None:
        self._house = house
        self._what = what
        self._ways = list(ways)
        self._say = say
        self._started = -1
        self._most = sys.maxsize
        self._ever = 0
        self._load()

    @property
    def device(self) -> str:
        return self._ways[0].device

    def _load(self) -> None:
        while True:
            way = self._ways[0]
            try:
                with self._house.turn:
                    self._house.ask("load", self._what, way.module, (way.options,), LOADING)
                    self._started = self._house.starts
                return
            except (BackendMissing, WeightsMissing):
                raise
            except ModelError as error:
                if len(self._ways) == 1:
                    raise
                del self._ways[0]
                self._say(f"{self._what}: not on {way.device} ({error}); goes on on {self._ways[0].device}")

    def _call(self, method: str, batch: Sequence[Any], rest: tuple[Any, ...], progress: Any) -> list[Any]:
        done: list[Any] = []
        items = list(batch)
        while items:
            most = self._most  # other threads change it
            some, items = items[:most], items[most:]
            try:
                done += self._once(method, some, rest, progress)
            except OutOfMemory:
                self._remember(len(some))
                raise
        return done

    def _once(self, method: str, items: Sequence[Any], rest: tuple[Any, ...], progress: Any) -> list[Any]:
        with self._house.turn:  # else another thread's model might start the process anew between the two
            if not self._house.alive or self._started != self._house.starts:
                self._load()
            try:
                answer: list[Any] = self._house.ask(
                    "call", self._what, method, (items, *rest), self._house.patience, progress
                )
            except ModelDied as error:
                if error.killed:
                    raise OutOfMemory(str(error)) from error
                raise
            return answer

    def _remember(self, tried: int) -> None:
        """The next batches have half as many items; as many as ever once a single item alone was to blame."""
        if tried > 1:
            self._ever = max(self._ever, self._most)
            self._most = min(self._most, tried // 2)
        elif self._ever:
            self._most, self._ever = self._ever, 0
