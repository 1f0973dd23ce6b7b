"""Cuts are measured in batches that hold little sound, and each recording gets its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from captioner.measuring import HELD, _batches
from captioner.models.protocols import Excerpt
from captioner.types import SPEECH_RATE


@given(st.lists(st.integers(1, 2000), max_size=30))
def test_a_batch_holds_little_more_than_it_may_and_nothing_is_lost(tenths: list[int]) -> None:
    sound = np.zeros(200 * SPEECH_RATE, np.float32)  # views of it: no memory
    excerpts = [Excerpt(sound[: length * SPEECH_RATE // 10], (), index) for index, length in enumerate(tenths)]
    batches = list(_batches(iter(excerpts)))
    assert [one.words for batch in batches for one in batch] == list(range(len(tenths)))
    for batch in batches:
        assert sum(len(one.samples) for one in batch[:-1]) < HELD * SPEECH_RATE
    assert all(sum(len(one.samples) for one in batch) >= HELD * SPEECH_RATE for batch in batches[:-1])
