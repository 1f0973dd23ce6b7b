"""docs/keys.md, made of the table of actions: `python -m captioner.review.keydocs` prints it."""

from __future__ import annotations

from collections.abc import Iterable

from captioner.review.actions import ACTIONS, STATES, Action, Group

HEADS: dict[Group, str] = {
    "move": "Move", "decide": "Decide", "edit": "Edit", "hear": "Hear", "see": "See", "cut": "Cut anew", "find": "Find",
    "other": "Everything else",
}  # fmt: skip
WHERE = {"browse": "", "edit": "in a field", "trim": "while trimming", "prompt": "in a question", "help": "in the help"}
HEAD = """# Keys of `captioner review`

Every key can be another: write `id = "key"` or `id = ["key", "key"]` into `review.keys.toml` beside `captioner.yaml`,
or in your folder of settings; an empty list takes the keys away. Two actions on one key are an error. What has no key
is in the palette (`:`) and has a name in `--plain`. This page is made from the table of actions: `make docs`.
"""


def as_markdown(actions: Iterable[Action] = ACTIONS) -> str:
    """The whole page, ending in one line break."""
    known = tuple(actions)
    parts = [HEAD]
    for group, title in HEADS.items():
        rows = [_row(action) for action in known if action.group == group]
        parts.append("\n".join((f"## {title}\n", "| key | id | what it does |", "|---|---|---|", *rows)) + "\n")
    return "\n".join(parts)


def _row(action: Action) -> str:
    keys = " ".join(f"`{key}`".replace("|", "\\|") for key in action.keys) or "–"
    where = ", ".join(WHERE[state] for state in STATES if state in action.states and WHERE[state])
    place = f" ({where})" if where and "browse" not in action.states else ""
    return f"| {keys} | `{action.id}` | {action.title}{place} |"


if __name__ == "__main__":
    print(as_markdown(), end="")
