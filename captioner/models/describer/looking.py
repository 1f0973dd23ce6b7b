"""What every describer is asked, and how it is shown a clip: the options that all of them share, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from captioner.errors import SettingsError

PROMPT = (
    "The pictures are frames of one short video clip, in order of time. Describe what is seen in one or two plain "
    "English sentences, 50 words at most: who or what is in the picture, appearance and clothing, what they do, the "
    "place, the light, and how the camera frames it or moves."
)
"""What is asked for, where the user asks for nothing else."""

RULES = (
    "Say only what can be seen. The sound is described by others: never mention, quote or guess what is said, sung or "
    "heard, nor that somebody is silent. Never guess names, who somebody is, thoughts or feelings. Answer with the "
    "sentences alone: no introduction such as 'The image shows', no list, no markdown, no quotation marks."
)
"""What holds whatever is asked for: a caption must not hold words that nobody said."""

FRAME_TOKENS, TOKEN_PIXELS = 85, 750
"""Tokens of a picture, estimated: a base as tiled models count, and pixels a token as patched ones do. A frame of
512x288 comes to 282; its 14-pixel patches merged by four are 209, GPT-4o's tiles 255."""

LETTERS = 4
"""Letters a token of English, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """The options that every describer has; a backend's own `Options` is one of these."""

    fps: float = 1.0
    """Frames a second of the clip that are looked at."""
    frames: int = 6
    """Most frames of a clip that are looked at."""
    side: int = 512
    """Pixels of a frame's longer side; smaller pictures stay as they are."""
    prompt: str = PROMPT
    """What is asked for; RULES always follow."""
    max_tokens: int = 200
    """Most tokens of an answer."""
    price_in: float = 0.0
    """What a million tokens cost that are sent, in any currency."""
    price_out: float = 0.0
    """What a million tokens cost that are answered."""
    max_cost: float | None = None
    """Where the estimate is higher nothing is asked and the build stops."""

    def __post_init__(self) -> None:
        check("fps", self.fps, 0.01, 60)
        check("frames", self.frames, 1, 64, whole=True)
        check("side", self.side, 32, 4096, whole=True)
        check("max_tokens", self.max_tokens, 1, 100_000, whole=True)
        check("price_in", self.price_in, 0)
        check("price_out", self.price_out, 0)
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise SettingsError("describer_options: prompt is empty: say what is to be described")
        if self.max_cost is not None:
            check("max_cost", self.max_cost, 0)
            if not (self.price_in or self.price_out):
                raise SettingsError("describer_options: max_cost needs price_in and price_out, per million tokens")

    @property
    def who(self) -> str:
        """Who is asked and where, for a person to read before any picture goes there."""
        return "the describer"

    @property
    def question(self) -> str:
        """All that the model is told."""
        return f"{self.prompt.strip()} {RULES}"

    def moments(self, frames: int, rate: Fraction) -> tuple[int, ...]:
        """Which of a clip's frames are looked at: the middles of equal parts, in order, none twice."""
        parts = min(self.frames, frames, max(1, round(frames / rate * Fraction(self.fps))))
        return tuple((2 * part + 1) * frames // (2 * parts) for part in range(parts))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Of a frame as it is looked at, pixels."""
        longer = max(width, height)
        if longer <= self.side:
            return width, height
        return max(1, round(width * self.side / longer)), max(1, round(height * self.side / longer))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What describing takes, before it is asked for. Tokens are rather too many than too few."""

    clips: int = 0
    frames: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    """At most."""

    def plus(self, options: Looking, frames: int, size: tuple[int, int], clips: int = 1) -> Estimate:
        """With `clips` more of so many frames each; `size` as looked at, pixels."""
        asked = len(options.question) // LETTERS + frames * (FRAME_TOKENS + size[0] * size[1] // TOKEN_PIXELS)
        return Estimate(
            self.clips + clips,
            self.frames + clips * frames,
            self.tokens_in + clips * asked,
            self.tokens_out + clips * options.max_tokens,
        )

    def cost(self, options: Looking) -> float | None:
        """In the currency of the prices; None where there are none."""
        return cost(options, self.tokens_in, self.tokens_out)

    def said(self, options: Looking) -> str:
        text = (
            f"{self.clips} clips to describe, {self.frames} frames, about {self.tokens_in:,} tokens to send "
            f"to {options.who} and at most {self.tokens_out:,} to get"
        )
        money = self.cost(options)
        return text if money is None else f"{text}: about {amount(money)} at the prices given"


def cost(options: Looking, tokens_in: int, tokens_out: int) -> float | None:
    """In the currency of the prices; None where there are none."""
    if not (options.price_in or options.price_out):
        return None
    return (tokens_in * options.price_in + tokens_out * options.price_out) / 1_000_000


def amount(money: float) -> str:
    """To the cent; what is less than ten of them as far as it can be read."""
    return f"{money:.2f}" if money >= 0.1 or not money else f"{money:.2g}"


def check(name: str, value: object, least: float, most: float = float("inf"), *, whole: bool = False) -> None:
    """Raises SettingsError where an option is no number, or out of its range."""
    kind = "whole number" if whole else "number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not isfinite(value):
        raise SettingsError(f"describer_options: {name} = {value!r}: give a {kind}")
    if not least <= value <= most:
        limit = f"from {least:g} to {most:g}" if isfinite(most) else f"of {least:g} or more"
        raise SettingsError(f"describer_options: {name} = {value!r}: give a {kind} {limit}")
