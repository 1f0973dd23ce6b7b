"""How many frames a cut may have, and at what rate: what the trainer's model takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from captioner.errors import SettingsError

LEAST = 49
MOST = 121
LIMIT = 100_000
"""More frames than any clip has: a number beyond it is a slip of the finger."""

_FORMS = "give `8k+1`, `4k+1` (any `<step>k+<rest>`), `any`, or counts such as `49,73,97`"


@dataclass(frozen=True, slots=True)
class FrameRule:
    """Which numbers of frames are allowed. Made by `parse` or `durations`."""

    text: str
    """As the user wrote it."""
    allowed: tuple[int, ...]
    """Ascending, never empty."""

    @classmethod
    def parse(cls, text: str = "8k+1", least: int = LEAST, most: int = MOST) -> FrameRule:
        """`8k+1`, `4k+1`, `any`: all such counts from `least` to `most`. A list such as `49,73,97` says itself what is
        least and most. Raises SettingsError where it cannot be read or allows nothing."""
        plain = re.sub(r"\s+", "", str(text)).lower()
        if not plain:
            raise SettingsError(f"frames is empty: {_FORMS}")
        if re.fullmatch(r"\d+(,\d+)*,?", plain):
            return cls._listed(text, [int(number) for number in plain.split(",") if number])
        step, rest = _stepped(text, plain)
        if least < 1 or most > LIMIT or least > most:
            raise SettingsError(f"frames from {least} to {most}: give 1 <= least <= most <= {LIMIT}")
        counts = tuple(count for count in range(least, most + 1) if count % step == rest % step)
        if not counts:
            raise SettingsError(f"frames {text!r} allows no count from {least} to {most}: widen the bounds")
        return cls(text, counts)

    @classmethod
    def durations(cls, text: str, rate: Fraction) -> FrameRule:
        """Lengths in seconds for sound without picture, such as `2,4,8` or `2.4`: each must be whole frames at `rate`,
        so that its samples are counted exactly. Raises SettingsError."""
        counts: set[int] = set()
        for part in (part.strip() for part in str(text).split(",")):
            if not part:
                continue
            if not re.fullmatch(r"\d+(\.\d+)?", part):
                raise SettingsError(f"durations {text!r}: {part!r} is no length; give seconds such as `2,4,8`")
            frames = Fraction(part) * rate
            if not 1 <= frames <= LIMIT or frames.denominator != 1:
                near = Fraction(max(1, round(frames))) / rate
                raise SettingsError(
                    f"durations {text!r}: {part} s is not a whole number of frames at {float(rate):g} a second; "
                    f"the nearest that is: {float(near):g}"
                )
            counts.add(int(frames))
        if not counts:
            raise SettingsError("durations is empty: give seconds such as `2,4,8`")
        return cls(text, tuple(sorted(counts)))

    @classmethod
    def _listed(cls, text: str, counts: Sequence[int]) -> FrameRule:
        wrong = [count for count in counts if not 1 <= count <= LIMIT]
        if wrong:
            raise SettingsError(f"frames {text!r}: {wrong[0]} is no number of frames; {_FORMS}")
        return cls(text, tuple(sorted(set(counts))))

    def counts(self, least: int = 1, most: int = LIMIT) -> tuple[int, ...]:
        """The allowed counts from `least` to `most`, ascending; may be empty."""
        return tuple(count for count in self.allowed if least <= count <= most)


def _stepped(text: str, plain: str) -> tuple[int, int]:
    if plain == "any":
        return 1, 0
    found = re.fullmatch(r"(\d*)\*?[kn](?:\+(\d+))?", plain)
    if not found:
        raise SettingsError(f"frames {text!r} cannot be read: {_FORMS}")
    step = int(found[1] or 1)
    if not 1 <= step <= LIMIT:
        raise SettingsError(f"frames {text!r}: the step must be 1 or more; {_FORMS}")
    return step, int(found[2] or 0)


DEFAULT_RATE = Fraction(25)
_FAMILIES = (
    (Fraction(24), (Fraction(24), Fraction(24000, 1001))),
    (Fraction(30), (Fraction(30), Fraction(30000, 1001), Fraction(60000, 1001), Fraction(60))),
    (Fraction(25), (Fraction(25), Fraction(50))),
)
NEAR = Fraction(2, 1000)
"""Share by which a measured average may miss its nominal rate: containers round their time stamps."""


def dataset_rate(rates: Sequence[Fraction | None]) -> Fraction:
    """The rate of all clips of a dataset. `rates`: each source's, None for one without picture (it follows the others).

    All 24 or 23.976: 24. All 30, 29.97, 59.94 or 60: 30. All 25 or 50: 25. A mixture, anything else, nothing: 25.
    """
    found = {_family(rate) for rate in rates if rate is not None}
    family = found.pop() if len(found) == 1 else None
    return family or DEFAULT_RATE


def _family(rate: Fraction) -> Fraction | None:
    for target, members in _FAMILIES:
        if any(abs(rate - member) <= member * NEAR for member in members):
            return target
    return None
