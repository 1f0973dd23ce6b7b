"""Models in child processes: whatever one does to its process costs its own item, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.backends import Backend
from captioner.engine.child import NICE
from captioner.engine.fleet import STRIKES, Fleet, shares
from captioner.engine.loading import CORES_A_HOUSE, CPU, Models, devices_of
from captioner.engine.local import Local
from captioner.engine.remote import House, Remote, Way, close_all
from captioner.errors import Broken, CaptionerError, ModelDied, ModelError, OutOfMemory, SettingsError
from captioner.models import cuda
from tests import fragile

MODULE = "tests.fragile"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))


@pytest.fixture
def house() -> Iterator[House]:
    house = House("the tagger", patience=2.0)
    yield house
    house.close()


def remote(house: House, said: list[str] | None = None, **options: Any) -> Remote:
    ways = [Way(MODULE, fragile.Options(**options), "the CPU")]
    return Remote(house, "tagger", ways, (said if said is not None else []).append)


def words(answers: list[Any]) -> list[Any]:
    return [type(answer) if isinstance(answer, CaptionerError) else answer[0] for answer in answers]


def test_a_model_answers_from_another_process_and_tells_its_progress(house: House) -> None:
    steps: list[float] = []
    answers = remote(house).tag(["a", "print", "b"], steps.append)
    assert words(answers) == ["a", "print", "b"]
    assert {pid for _, pid, _ in answers} != {os.getpid()}
    assert steps == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("order", "error"),
    [("abort", ModelDied), ("hang", ModelDied), ("kill", OutOfMemory), ("memory", OutOfMemory), ("bug", ModelDied)],
)
def test_the_one_culprit_is_found_and_left_out(house: House, order: str, error: type[CaptionerError]) -> None:
    if sys.platform == "win32" and order == "kill":
        pytest.skip("no SIGKILL")
    tagger = remote(house)
    answers = Local(1).batch(tagger.tag, ["a", "b", order, "c", "d"])
    assert words(answers) == ["a", "b", error, "c", "d"]
    assert "tagger" in str(answers[2]) or "memory" in str(answers[2])
    assert words(tagger.tag(["again"])) == ["again"]


def test_a_death_is_told_with_how_and_the_last_words(house: House) -> None:
    tagger = remote(house)
    with pytest.raises(ModelDied, match=r"the tagger: its process died \(exit status 1\): ZeroDivisionError: a bug in"):
        tagger.tag(["bug"])
    if sys.platform != "win32":
        with pytest.raises(ModelDied, match=r"\(SIGABRT\)"):
            tagger.tag(["abort"])
    with pytest.raises(ModelDied, match=r"no sign of life for 2 s"):
        tagger.tag(["hang"])


def test_mappings_that_cannot_change_come_across(house: House) -> None:
    ((mapping, _, _),) = remote(house).tag(["fixed"])
    assert dict(mapping) == {"of": "fixed"}
    with pytest.raises(TypeError):
        mapping["of"] = 1


def test_errors_of_a_recording_keep_their_kind(house: House) -> None:
    with pytest.raises(Broken, match=r"broken\.wav"):
        remote(house).tag(["a", "broken"])
    assert house.starts == 1


def test_batches_stay_smaller_once_memory_ran_out(house: House) -> None:
    tagger = remote(house, room=3)
    assert words(Local(1).batch(tagger.tag, list("abcdefgh"))) == list("abcdefgh")
    assert tagger._most == 2
    assert words(tagger.tag(list("abcdefgh"))) == list("abcdefgh"), "in parts, without an error"
    assert house.starts == 1


def test_one_item_that_takes_all_memory_does_not_make_later_batches_small(house: House) -> None:
    tagger = remote(house)
    assert words(Local(1).batch(tagger.tag, ["a", "b", "memory", "c"])) == ["a", "b", OutOfMemory, "c"]
    assert tagger._most > 1000


def test_a_device_that_does_not_work_is_left_for_the_next_and_told(house: House) -> None:
    said: list[str] = []
    ways = [
        Way(MODULE, fragile.Options(device="cuda", refuses=("cuda",)), "the GPU"),
        Way(MODULE, fragile.Options(device="cpu"), "the CPU"),
    ]
    tagger = Remote(house, "tagger", ways, said.append)
    assert [device for _, _, device in tagger.tag(["a"])] == ["cpu"]
    assert said == ["tagger: not on the GPU (no cuda today); goes on on the CPU"]
    with pytest.raises(ModelError, match="no cuda today"):
        Remote(house, "other", ways[:1], said.append)


def test_an_answer_that_nobody_waited_for_is_no_answer_to_the_next_question(house: House) -> None:
    def impatient(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote(house).tag(["a", "b"], impatient)
    assert words(Remote(house, "other", [Way(MODULE, fragile.Options(), "the CPU")], [].append).tag(["c", "d"])) == [
        "c",
        "d",
    ]


def test_what_another_thread_learns_of_the_memory_loses_no_item(house: House) -> None:
    class Learning(Remote):
        """Another thread changes it at each look."""

        looks = iter([3, 1, 2, 5, *([2] * 20)])

        @property
        def _most(self) -> int:
            return next(self.looks)

        @_most.setter
        def _most(self, value: int) -> None:
            pass

    tagger = Learning(house, "tagger", [Way(MODULE, fragile.Options(), "the CPU")], [].append)
    assert words(tagger.tag(list("abcdefg"))) == list("abcdefg")


def test_the_smallest_batch_that_was_too_large_counts_whoever_tells_it_first(house: House) -> None:
    tagger = remote(house)
    tagger._remember(20)
    tagger._remember(50)
    assert tagger._most == 10


def test_a_process_that_is_ended_while_it_is_started_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House("the tagger", patience=5.0)
    start = subprocess.Popen

    def ended(*rest: Any, **options: Any) -> Any:
        house.end()
        return start(*rest, **options)

    monkeypatch.setattr(subprocess, "Popen", ended)
    with pytest.raises(ModelDied):
        remote(house)
    assert not house.alive


def test_processes_that_are_slow_to_end_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    houses = [House(f"model {number}", patience=5.0) for number in range(3)]
    for house in houses:
        house.ask("run", None, "tests.errands:linger", (60.0,), 5.0)
    processes = [house._process for house in houses]
    real, ended = House.close, []

    def close(self: House) -> None:
        if not ended:  # nobody is waited for before all are told
            ended.extend(process.wait(10) for process in processes if process is not None)
        real(self)

    monkeypatch.setattr(House, "close", close)
    close_all(houses)
    assert len(ended) == 3
    assert all(ended), "none by itself"
    assert not any(house.alive for house in houses)


# --- several devices --------------------------------------------------------------------------------------------------


@pytest.fixture
def houses() -> Iterator[list[House]]:
    houses = [House(f"card {index}", patience=5.0) for index in range(2)]
    yield houses
    for house in houses:
        house.close()


def test_work_is_shared_and_comes_back_in_order(houses: list[House]) -> None:
    fleet = Fleet([remote(house) for house in houses], [].append)
    answers = fleet.tag(list("abcdefg"))
    assert words(answers) == list("abcdefg")
    assert len({pid for _, pid, _ in answers}) == 2


def test_batches_of_one_go_to_all_devices_and_each_to_the_same_one_whatever_is_asked(houses: list[House]) -> None:
    fleet = Fleet([remote(house) for house in houses], [].append)
    names = [f"take{number}.wav" for number in range(8)]
    tagged = {name: fleet.tag([fragile.Named(name)])[0][1] for name in names}
    heard = {name: fleet.listen([fragile.Named(name)])[0][1] for name in names}
    assert tagged == heard
    assert len(set(tagged.values())) == 2


def test_a_culprit_is_found_among_several_devices_and_strikes_none(houses: list[House]) -> None:
    said: list[str] = []
    fleet = Fleet([remote(house) for house in houses], said.append)
    answers = Local(1).batch(fleet.tag, ["a", "b", "c", "abort", "d", "e"])
    assert words(answers) == ["a", "b", "c", ModelDied, "d", "e"]
    assert said == []


def test_a_failing_card_leaves_the_run_alive_and_is_left_out(houses: list[House]) -> None:
    said: list[str] = []
    bad = remote(houses[0], room=0)
    fleet = Fleet([bad, remote(houses[1])], said.append)
    for _ in range(STRIKES + 1):
        answers = fleet.tag(list("abcd"))
        assert words(answers) == list("abcd")
        assert len({pid for _, pid, _ in answers}) == 1
    assert len(said) == 1
    assert "the CPU failed 2 times and is left out" in said[0]


def test_the_last_card_is_never_left_out_whatever_two_batches_find_at_once(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet([remote(house) for house in houses], [].append)
    fleet._strikes = dict.fromkeys(range(2), STRIKES - 1)
    both = threading.Barrier(2)
    for other in fleet._remotes:
        real = other._call

        def call(*rest: Any, real: Any = real) -> Any:
            answer = real(*rest)
            both.wait(10)
            return answer

        monkeypatch.setattr(other, "_call", call)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(fleet._elsewhere, at, ["a"], ModelError("no"), "tag", (), None) for at in range(2)]
        assert [words(one.result()) for one in found] == [["a"], ["a"]]
    assert sorted(fleet._strikes.values()) == [STRIKES - 1, STRIKES]


@given(st.lists(st.floats(0.0, 1e4), max_size=30), st.integers(1, 8))
def test_shares_hold_every_item_once_and_none_is_longer_than_it_must_be(lengths: list[float], devices: int) -> None:
    own = shares(lengths, devices)
    assert sorted(index for part in own for index in part) == list(range(len(lengths)))
    loads = [sum(lengths[index] for index in part) for part in own]
    assert max(loads) - min(loads) <= max(lengths, default=0.0) + 1e-6


# --- where models live ------------------------------------------------------------------------------------------------


def backend(**options: Any) -> Backend:
    return Backend("tagger", "fragile", fragile, fragile.Options(**options))


def test_models_are_in_this_process_unless_they_are_to_be_contained() -> None:
    for contain in (False, True):
        with Models(CPU, contain, threads=2, patience=5.0) as models:
            ((_, pid, device),) = models.load(backend(), [].append).tag(["a"])
            assert (pid != os.getpid(), device) == (contain, CPU)


def test_nothing_loads_once_everything_is_stopped() -> None:
    with Models(CPU, True, threads=2, patience=5.0) as models:
        models.stop()
        with pytest.raises(ModelDied):
            models.load(backend(), [].append)


def test_every_gpu_has_a_process_and_a_single_gpu_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 2)
    with Models("auto", True, patience=5.0) as models:
        answers = models.load(backend(), [].append).tag(list("abcd"))
        assert {device for _, _, device in answers} == {"cuda:0", "cuda:1"}
        assert len({pid for _, pid, _ in answers}) == 2
        assert models.gpus == 2
        said: list[str] = []
        refusing = models.load(backend(refuses=("cuda:0",)), said.append).tag(list("abcd"))
        assert {device for _, _, device in refusing} == {"cuda:1"}
        assert said.pop() == "tagger fragile: not on cuda:0 (no cuda:0 today); goes on without"
        neither = models.load(backend(refuses=("cuda:0", "cuda:1")), said.append).tag(list("abcd"))
        assert {device for _, _, device in neither} == {CPU}
        assert said == ["tagger fragile: not on cuda:0 (no cuda:0 today); goes on on cpu"]
        own = models.load(backend(device=CPU), said.append).tag(list("abcd"))
        assert {device for _, _, device in own} == {CPU}, "the backend's own option counts more"


def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 1)
    assert devices_of("auto") == devices_of("cuda") == devices_of("cuda:0") == ["cuda:0"]
    with pytest.raises(ModelError, match="there are 1 GPUs"):
        devices_of("cuda:1")
    monkeypatch.setattr(cuda, "count", lambda: 0)
    assert devices_of("auto") == [CPU]
    with pytest.raises(ModelError, match="give auto or cpu"):
        devices_of("cuda")
    with pytest.raises(SettingsError, match="'gpu'"):
        devices_of("gpu")


def test_models_of_one_core_are_shared_by_several_processes() -> None:
    vad = Backend("vad", "fragile", fragile, fragile.Bare(threads=99))
    with Models(CPU, True, threads=4 * CORES_A_HOUSE, patience=5.0) as models:
        model = models.load(vad, [].append)
        assert isinstance(model, Fleet)
        answers = model.tag(list("abcdefgh"))
        assert len({pid for _, pid, _ in answers}) == 4
        assert {threads for _, _, threads in answers} == {f"{CORES_A_HOUSE} threads"}


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is another thing there")
def test_beside_a_gpu_more_processes_share_the_cores_and_let_those_of_the_gpu_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "count", lambda: 1)
    vad = Backend("vad", "fragile", fragile, fragile.Bare(threads=99))
    with Models("auto", True, threads=4 * CORES_A_HOUSE, patience=5.0) as models:
        model = models.load(vad, [].append)
        answers = model.tag(list("abcdefgh"))
        assert len({pid for _, pid, _ in answers}) == 8
        assert {os.getpriority(os.PRIO_PROCESS, pid) for _, pid, _ in answers} == {min(19, os.nice(0) + NICE)}
        on_gpu = models._house("cuda:0", vad)
        assert on_gpu.ask("run", None, "tests.errands:niceness", ("",), 5.0) == os.nice(0)
