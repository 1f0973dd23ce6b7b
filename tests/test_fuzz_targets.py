"""The fuzzers are alive: seeds are accepted, spoilt ones read or refused, a broken reader is found."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

from run import _blind, spoilt
from targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted_by_their_reader(name: str) -> None:
    for seed in TARGETS[name].seeds:
        read = TARGETS[name].read(seed)  # raises nothing at all
        assert read is not None
        assert getattr(read, "error", None) is None


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_files_are_read_or_refused(name: str) -> None:
    dice = random.Random(name)
    tried = {spoilt(dice.choice(TARGETS[name].seeds), dice) for _ in range(60)}
    for data in tried:
        TARGETS[name](data)
    assert len(tried) > 30


def test_a_reader_that_crashes_is_found_and_its_bytes_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(data: bytes) -> object:
        return 1 // (len(data) - 1)

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError):
        _blind("made", Target(read, (b"ab",)), 20.0)
    kept = next(tmp_path.glob("crash-made-*"))
    assert len(kept.read_bytes()) == 1
    assert "the bytes are in" in capsys.readouterr().err
