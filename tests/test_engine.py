"""The local engine: order kept, one bad item never costs the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.engine.local import Local, Stopwatch
from captioner.errors import Broken, CaptionerError, SettingsError


@given(st.lists(st.booleans(), max_size=20))
def test_a_bad_item_is_found_and_the_others_are_answered(bad: list[bool]) -> None:
    def call(items: Sequence[int]) -> list[int]:
        if any(bad[item] for item in items):
            raise Broken("one of them")
        return [item * 10 for item in items]

    answers = Local(1).batch(call, range(len(bad)))
    assert [isinstance(answer, Broken) for answer in answers] == bad
    assert [a for a in answers if not isinstance(a, CaptionerError)] == [10 * n for n, b in enumerate(bad) if not b]


def test_a_wrong_setting_is_nobodys_fault() -> None:
    def call(items: Sequence[int]) -> list[int]:
        raise SettingsError("no such language")

    with pytest.raises(SettingsError):
        Local(1).batch(call, [1, 2])


def test_each_answers_all_in_the_callers_thread() -> None:
    seen: dict[int, int | CaptionerError] = {}
    threads = set()

    def done(item: int, answer: int | CaptionerError) -> None:
        threads.add(threading.current_thread())
        seen[item] = answer

    def call(item: int) -> int:
        if item == 3:
            raise Broken("three")
        return item * item

    Local(4).each(call, range(30), done)
    assert isinstance(seen.pop(3), Broken)
    assert seen == {n: n * n for n in range(30) if n != 3}
    assert threads == {threading.main_thread()}


def test_an_unexpected_error_stops_the_run() -> None:
    def call(item: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Local(2).each(call, range(100), lambda item, answer: None)


def test_the_stopwatch_adds_up_also_when_a_step_fails() -> None:
    watch = Stopwatch()
    assert watch.time("a", lambda: 3) == 3
    first = watch.seconds["a"]
    with pytest.raises(ZeroDivisionError):
        watch.time("a", lambda: 1 // 0)
    assert watch.seconds["a"] > first


def test_the_stopwatch_counts_what_several_threads_do_at_once_but_once() -> None:
    watch = Stopwatch()
    both = threading.Barrier(2)

    def step() -> None:
        both.wait(10)
        time.sleep(0.2)
        both.wait(10)

    with ThreadPoolExecutor(2) as pool:
        start = time.perf_counter()
        for done in [pool.submit(watch.time, "a", step) for _ in range(2)]:
            done.result()
        whole = time.perf_counter() - start
    assert 0.2 <= watch.seconds["a"] <= whole
