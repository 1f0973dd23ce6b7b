"""What parents and children send each other arrives as it was, arrays of any size among it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.engine.wire import LARGE, fixed, receive, send
from captioner.times import Span


def sent(*messages: object) -> BytesIO:
    stream = BytesIO()
    for message in messages:
        send(stream, message)
    stream.seek(0)
    return stream


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, LARGE), max_size=5), st.integers(1, 3))
def test_arrays_of_any_size_come_whole_and_can_be_written_to(sizes: list[int], step: int) -> None:
    whole = np.arange(3 * LARGE, dtype=np.float32)
    arrays = [whole[size : size + step * size : step] for size in sizes]
    for array, came in zip(arrays, receive(sent(arrays)), strict=True):
        assert came.dtype == array.dtype
        assert np.array_equal(came, array)
        came += 1  # as if it had been made there
    assert np.array_equal(whole, np.arange(3 * LARGE, dtype=np.float32))


def test_what_is_sent_twice_in_one_message_is_one_thing_there() -> None:
    samples = np.ones(LARGE, np.float32)
    one, other = receive(sent([samples, samples]))
    assert one is other


def test_messages_come_one_by_one_and_then_the_end() -> None:
    frozen = np.zeros((300, 300), np.float64, order="F")
    frozen.flags.writeable = False
    stream = sent(("call", Span(1.0, 2.0)), frozen, fixed({"a": 1}))
    assert receive(stream) == ("call", Span(1.0, 2.0))
    assert receive(stream).shape == (300, 300)
    assert receive(stream) == {"a": 1}
    with pytest.raises(EOFError):
        receive(stream)


@pytest.mark.parametrize("kept", [3, 20, 200, -1])
def test_a_message_that_breaks_off_is_the_end(kept: int) -> None:
    data = sent(np.zeros(LARGE, np.float32)).getvalue()
    with pytest.raises(EOFError):
        receive(BytesIO(data[:kept]))


def test_an_array_is_not_copied_into_the_pickle(tmp_path: Path) -> None:
    samples = np.zeros(4 * LARGE, np.float32)

    class Counting(BytesIO):
        def writelines(self, parts: object) -> None:
            self.parts = list(cast("list[memoryview]", parts))

    stream = Counting()
    send(stream, samples)
    assert np.shares_memory(np.frombuffer(stream.parts[-1], np.float32), samples)
    path = tmp_path / "message"
    with path.open("wb") as file:
        send(file, samples)
    assert path.stat().st_size < samples.nbytes + 1000
