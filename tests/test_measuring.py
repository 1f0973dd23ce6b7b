"""Cuts are measured in batches that hold little sound, and each recording gets its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.engine.loading import Models
from captioner.engine.local import Local
from captioner.measuring import HELD, MOST_HELD, _batches, _share, held
from captioner.media.pcm import Samples16k
from captioner.models import cuda
from captioner.models.protocols import Excerpt
from captioner.types import SPEECH_RATE


@given(st.lists(st.integers(1, 2000), max_size=30))
def test_a_batch_holds_little_more_than_it_may_and_nothing_is_lost(tenths: list[int]) -> None:
    sound = np.zeros(200 * SPEECH_RATE, np.float32)  # views of it: no memory
    excerpts = [
        Excerpt(Samples16k(sound[: length * SPEECH_RATE // 10]), (), index) for index, length in enumerate(tenths)
    ]
    batches = list(_batches(iter(excerpts), HELD))
    assert [one.words for batch in batches for one in batch] == list(range(len(tenths)))
    for batch in batches:
        assert sum(len(one.samples) for one in batch[:-1]) < HELD * SPEECH_RATE
    assert all(sum(len(one.samples) for one in batch) >= HELD * SPEECH_RATE for batch in batches[:-1])


@given(st.lists(st.integers(5, 200), min_size=1, max_size=200))
def test_calls_are_alike(tenths: list[int]) -> None:
    sound = np.zeros(20 * SPEECH_RATE, np.float32)
    excerpts = [Excerpt(Samples16k(sound[: length * SPEECH_RATE // 10]), (), 0) for length in tenths]
    total = sum(one.duration for one in excerpts)
    batches = list(_batches(iter(excerpts), _share(total, HELD)))
    seconds = [sum(one.duration for one in batch) for batch in batches]
    assert len(batches) <= max(1, np.ceil(total / HELD))
    assert all(total / len(batches) - 1e-6 <= took < HELD + 20 for took in seconds[:-1])
    assert seconds[-1] >= seconds[0] - 20 * len(batches)


def test_many_cores_and_a_gpu_get_more_at_once_and_no_machine_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many, most = (held(Local(threads, Models("cpu", threads=threads))) for threads in (2, 16, 999))
    assert HELD == few < many < most == MOST_HELD <= 1800
    monkeypatch.setattr(cuda, "count", lambda: 1)
    assert held(Local(2, Models("auto", threads=2))) == MOST_HELD
