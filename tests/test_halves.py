"""Models whose halves live apart: both are asked, whatever one does to its process costs its own item, and networks
that fail leave the run alive."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from pathlib import Path
from threading import Event, Timer
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.backends import Backend
from captioner.engine import halves
from captioner.engine.fleet import STRIKES
from captioner.engine.halves import Halves, parts
from captioner.engine.loading import CORES_A_HOUSE, CPU, Models
from captioner.engine.local import Local
from captioner.errors import CaptionerError, ModelDied, ModelError, OutOfMemory
from captioner.models import cuda
from tests import fragile_halves


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, and parts of three words."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))
    monkeypatch.setattr(cuda, "count", lambda: 2)
    monkeypatch.setattr("captioner.engine.loading.PART", 3.0)
    monkeypatch.setattr("captioner.engine.halves.LEAST", 0.0)


@pytest.fixture
def models() -> Iterator[Models]:
    with Models("auto", True, threads=4 * CORES_A_HOUSE, patience=5.0) as models:
        yield models


def silent(_: str) -> None:
    pass


def backend(**options: Any) -> Backend:
    return Backend("tagger", "halves", fragile_halves, fragile_halves.Options(**options))


def words(answers: list[Any]) -> list[Any]:
    return [type(answer) if isinstance(answer, CaptionerError) else answer[0] for answer in answers]


def calm(letters: str) -> list[str]:
    return [f"for:{letter}" for letter in letters]


def test_the_gpus_hear_and_the_cores_do_the_rest(models: Models) -> None:
    model = models.load(backend(), silent)
    assert isinstance(model, Halves)
    steps: list[float] = []
    answers = model.tag(calm("abcdefghijklm"), steps.append)
    assert words(answers) == calm("abcdefghijklm"), "in order, over several parts"
    assert len(steps) == 13, "told once an item"
    heard = [one for *_, one in answers]
    assert words(heard) == calm("abcdefghijklm"), "each with its own answer"
    assert {device for _, _, device, _ in answers} == {CPU}
    assert {device for _, _, device, _ in heard} == {"cuda:0", "cuda:1"}
    rest, networks = {pid for _, pid, _, _ in answers}, {pid for _, pid, _, _ in heard}
    assert (len(networks), len(rest & networks), os.getpid() in rest | networks) == (2, 0, False)
    assert 1 < len(rest) <= 4 * CORES_A_HOUSE
    assert model.tag([]) == []


@pytest.mark.parametrize(
    ("order", "error"),
    [("abort", ModelDied), ("hang", ModelDied), ("kill", OutOfMemory), ("memory", OutOfMemory), ("bug", ModelDied)],
)
def test_the_one_culprit_is_found_and_left_out(order: str, error: type[CaptionerError]) -> None:
    if sys.platform == "win32" and order == "kill":
        pytest.skip("no SIGKILL")
    said: list[str] = []
    with Models("cuda:0", True, threads=2, patience=2.0) as models:
        model = models.load(backend(), said.append)
        given_ = [*calm("ab"), f"rest:{order}", *calm("cd")]
        answers = Local(1).batch(model.tag, given_)
        assert words(answers) == [*calm("ab"), error, *calm("cd")]
        assert all(answer[3] is not None for answer in answers if not isinstance(answer, CaptionerError))
        assert words(Local(1).batch(model.tag, [f"all:{order}"])) == [error], "no half can do it"
        assert words(model.tag(calm("e"))) == calm("e")
    assert said == []


def test_what_kills_the_networks_alone_is_measured_without_them(models: Models) -> None:
    said: list[str] = []
    model = models.load(backend(), said.append)
    answers = model.tag([*calm("ab"), "net:abort", *calm("cd")])
    assert words(answers) == [*calm("ab"), "net:abort", *calm("cd")]
    assert [heard is None for *_, heard in answers] == [False, False, True, True, True], "its part, and no other"
    assert said == []
    for _ in range(STRIKES):
        model.tag(["net:abort"])
    assert said[-1].startswith(f"tagger halves: the GPU failed {STRIKES} times and is left out (tagger on cuda:")
    assert said[-1].endswith("goes on on cpu")
    assert [heard for *_, heard in model.tag(calm("xy"))] == [None, None]
    assert len(said) == 1


def test_parts_are_halved_where_a_gpus_memory_runs_out() -> None:
    with Models("cuda:0", True, threads=2, patience=5.0) as models:
        model = models.load(backend(room=1), silent)
        answers = Local(1).batch(model.tag, calm("abcdefg"))
        assert words(answers) == calm("abcdefg")
        assert all(not isinstance(one, CaptionerError) and one[3] is not None for one in answers), (
            "fewer at a time do fit"
        )


def test_a_gpu_that_refuses_is_told_once_and_the_others_go_on(models: Models) -> None:
    said: list[str] = []
    one = models.load(backend(refuses=("cuda:0",)), said.append).tag(calm("abcd"))
    assert {heard[2] for *_, heard in one} == {"cuda:1"}
    assert said == ["tagger halves: not on cuda:0 (no cuda:0 today); goes on without"]
    none = models.load(backend(refuses=("cuda:0", "cuda:1")), said.append).tag(calm("abcd"))
    assert [heard for *_, heard in none] == [None] * 4
    assert len({pid for _, pid, _, _ in none}) > 1
    assert said[1:] == [
        "tagger halves: not on cuda:0 (no cuda:0 today), cuda:1 (no cuda:1 today); goes on on cpu",
    ]


def test_a_gpu_that_is_asked_for_must_take_it() -> None:
    for device, own in (("cuda:0", "auto"), ("auto", "cuda:0")):
        with (
            Models(device, True, threads=2, patience=5.0) as models,
            pytest.raises(ModelError, match=r"not on cuda:0 \(no cuda:0 today\); give device auto or cpu"),
        ):
            models.load(backend(device=own, refuses=("cuda:0",)), silent)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """No network is loaded before it is set."""
    go, real = Event(), Models._on_gpus

    def slow(self: Models, *rest: Any) -> Any:
        assert go.wait(20)
        return real(self, *rest)

    monkeypatch.setattr(Models, "_on_gpus", slow)
    yield go
    go.set()


def heard_by(model: Any, letters: str) -> list[Any]:
    """What the networks said, None where they were not asked."""
    return [heard and heard[0] for *_, heard in model.tag(calm(letters))]


def test_little_sound_does_not_wait_for_networks_that_still_load(
    loaded: Event, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "LEAST", 3.0)
    model = models.load(backend(), silent)
    assert heard_by(model, "ab") == [None, None]
    loaded.set()
    assert heard_by(model, "abc") == calm("abc")
    assert heard_by(model, "ab") == calm("ab"), "they are there now"


def test_a_run_that_ends_while_networks_load_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    starting, go = Event(), Event()
    real = Models._on_gpus

    def slow(self: Models, *rest: Any) -> Any:
        starting.set()
        assert go.wait(20)
        return real(self, *rest)

    monkeypatch.setattr(Models, "_on_gpus", slow)
    said: list[str] = []
    with Models("auto", True, threads=2, patience=5.0) as models:
        model = models.load(backend(), said.append)
        assert isinstance(model, Halves)
        assert starting.wait(20)
    go.set()
    assert model._networks() is None
    assert all(not house.alive for house in models._houses.values())
    assert said == []


def test_without_a_gpu_nothing_is_halved() -> None:
    with Models(CPU, True, threads=2, patience=5.0) as models:
        model = models.load(backend(), silent)
        assert not isinstance(model, Halves)
        ((_, pid, device, heard),) = model.tag(["whole:print"])
        assert (pid != os.getpid(), device, heard) == (True, CPU, None)


def total(part: list[Any]) -> float:
    return float(sum(item.audio.duration for item in part))


@given(st.lists(st.integers(0, 3000), max_size=30))
def test_parts_hold_every_item_in_order_and_about_as_much_as_each_other(tenths: list[int]) -> None:
    items = [SimpleNamespace(audio=SimpleNamespace(duration=ten / 10)) for ten in tenths]
    most = 600.0
    found = parts(items, most)
    assert [item for part in found for item in part] == items
    assert all(found)
    each = total(items) / max(1, ceil(total(items) / most - halves.MORE))
    assert each <= (1 + halves.MORE) * most + 1e-6
    for part in found:
        assert len(part) == 1 or total(part) <= each + (total(part[:1]) + total(part[-1:])) / 2 + 1e-6
    for one, other in pairwise(found):
        assert total(one) + total(other) >= each - 1e-6, "none too small"


def test_short_items_that_others_wait_for_are_done_while_the_networks_load(
    loaded: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "SHORT", 1.0)
    monkeypatch.setattr(fragile_halves, "ALONE", 3.0, raising=False)
    with Models("auto", True, threads=2 * CORES_A_HOUSE, patience=5.0) as models:
        model = models.load(backend(), silent)
        assert heard_by(model, "abc") == [None] * 3
        Timer(0.2, loaded.set).start()
        assert heard_by(model, "abcd") == calm("abcd")
        assert heard_by(model, "abc") == calm("abc")
    loaded.clear()
    with Models("auto", True, threads=2 * CORES_A_HOUSE, patience=5.0) as models:
        model = models.load(backend(), silent)
        monkeypatch.setattr(halves, "SHORT", 0.5)
        Timer(0.2, loaded.set).start()
        assert heard_by(model, "abc") == calm("abc"), "a long one keeps one core busy"
