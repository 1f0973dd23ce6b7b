"""Frame rules and the dataset's rate."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.cuts.frames import FrameRule, dataset_rate
from captioner.errors import SettingsError

NTSC = Fraction(1000, 1001)


def test_the_default_rule_is_8k_plus_1_from_49_to_121() -> None:
    assert FrameRule.parse().counts() == (49, 57, 65, 73, 81, 89, 97, 105, 113, 121)


@pytest.mark.parametrize(
    ("text", "least", "most", "counts"),
    [
        ("4k+1", 49, 61, (49, 53, 57, 61)),
        (" 8N + 1 ", 9, 30, (9, 17, 25)),
        ("17k+5", 1, 60, (5, 22, 39, 56)),
        ("8k", 8, 24, (8, 16, 24)),
        ("any", 3, 6, (3, 4, 5, 6)),
        ("97,49,73,49", 49, 60, (49, 73, 97)),
        ("145", 49, 121, (145,)),
    ],
)
def test_a_rule_allows_what_it_says(text: str, least: int, most: int, counts: tuple[int, ...]) -> None:
    assert FrameRule.parse(text, least, most).counts() == counts


def test_counts_can_be_bounded_further() -> None:
    assert FrameRule.parse().counts(50, 73) == (57, 65, 73)
    assert FrameRule.parse().counts(most=48) == ()


@pytest.mark.parametrize(
    "text", ["", "8k+", "k+k", "0k+1", "-49", "49;73", "49,x", "8.5k+1", "0,49", "some", "49,999999"]
)
def test_what_cannot_be_read_is_refused_and_told_what_is_accepted(text: str) -> None:
    with pytest.raises(SettingsError, match="8k\\+1"):
        FrameRule.parse(text)


def test_bounds_that_allow_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="no count from 50 to 56"):
        FrameRule.parse("8k+1", 50, 56)
    with pytest.raises(SettingsError, match="least <= most"):
        FrameRule.parse("any", 60, 50)


@given(st.integers(1, 40), st.integers(0, 60), st.integers(1, 300), st.integers(0, 300))
def test_stepped_counts_are_those_with_the_rest(step: int, rest: int, least: int, more: int) -> None:
    expected = tuple(n for n in range(least, least + more + 1) if (n - rest) % step == 0)
    if expected:
        assert FrameRule.parse(f"{step}k+{rest}", least, least + more).counts() == expected
    else:
        with pytest.raises(SettingsError):
            FrameRule.parse(f"{step}k+{rest}", least, least + more)


def test_durations_become_whole_frames() -> None:
    assert FrameRule.durations("2, 4,8", Fraction(25)).counts() == (50, 100, 200)
    assert FrameRule.durations("2.4", Fraction(25)).counts() == (60,)


@pytest.mark.parametrize(
    ("text", "said"), [("2.5", "nearest that is: 2.48"), ("two", "no length"), ("", "empty"), ("0", "0 s")]
)
def test_durations_that_are_not_whole_frames_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        FrameRule.durations(text, Fraction(25))


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([Fraction(24), 24 * NTSC], 24),
        ([24 * NTSC], 24),
        ([Fraction(30), 30 * NTSC, 60 * NTSC, Fraction(60), None], 30),
        ([Fraction(25), Fraction(50)], 25),
        ([Fraction(24), Fraction(25)], 25),
        ([Fraction(30), Fraction(24)], 25),
        ([Fraction(15)], 25),
        ([None, None], 25),
        ([], 25),
        ([Fraction(2997, 100)], 30),
        ([Fraction(14391, 480)], 30),
        ([Fraction(12), Fraction(24)], 25),
    ],
)
def test_the_rate_of_a_dataset(rates: list[Fraction | None], expected: int) -> None:
    assert dataset_rate(rates) == Fraction(expected)
