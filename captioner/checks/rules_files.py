"""F01 to F08: the files that stand in the folder."""

from __future__ import annotations

from collections.abc import Iterator

from captioner.checks.findings import Finding
from captioner.checks.rules import ERROR, rule, rules_in
from captioner.checks.view import View


@rule(
    "F02", ERROR, "a caption is empty",
    cost="the clip is trained with no text, or with the trigger alone: whatever it shows and says belongs to every "
    "prompt",
    advice="write what is seen and heard in it, or take the clip out",
)  # fmt: skip
def empty(view: View) -> Iterator[Finding]:
    for clip in view.clips:
        if clip.text == "":
            yield empty.finding(clip.caption.name if clip.caption and clip.listed is None else clip.name,
                                "its caption is empty")  # fmt: skip


RULES = rules_in(globals())
