"""The page of all rules, made from the table."""

from __future__ import annotations

from collections.abc import Mapping

from captioner.checks.rules import Rule

GROUPS = {
    "F": "Files",
    "T": "Time and picture",
    "A": "Audio",
    "P": "Configs",
    "C": "Captions",
    "K": "Caches",
    "D": "Decoded audio",
    "L": "LoRA files",
}
_NEEDS = {
    "listen": "`--listen`",
    "caches": "caches beside the clips, or `--caches`",
    "decoded": "`--decoded`",
    "config": "`--config`",
    "words": "a captioner dataset",
    "lora": "`--lora`",
    "python": "`--python`, the trainer's own",
}


def as_markdown(rules: Mapping[str, Rule]) -> str:
    """The text of docs/rules.md."""
    fixed = sum(1 for one in rules.values() if one.fix is not None)
    lines = [
        "# Rules of `captioner check`",
        "",
        f"{len(rules)} rules; `--fix` settles {fixed} of them by itself (marked *fixed*), with a backup beside the "
        "dataset and without writing media. A rule is silenced by `--silence RULE=REASON`, or by `silence: {RULE: "
        "reason}` in `captioner.yaml`; it is then reported and does not count. This page is made from the table: "
        "`make docs`.",
        "",
    ]
    for letter, title in GROUPS.items():
        lines += [f"## {title}", ""]
        for one in rules.values():
            if one.id[0] == letter:
                lines += _rule(one)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Writes the page: `python -m captioner.checks.ruledocs FILE`."""
    import sys
    from pathlib import Path

    from captioner.checks.rules import all_rules

    Path(sys.argv[1]).write_text(as_markdown(all_rules()), encoding="utf-8")


def _rule(one: Rule) -> list[str]:
    marks = [one.severity.value, ", ".join(sorted(one.trainers)) or "all trainers"]
    if one.needs:
        marks.append(f"needs {_NEEDS[one.needs]}")
    if one.fix is not None:
        marks.append("*fixed*")
    lines = [f"### {one.id}: {one.title}", "", "; ".join(marks) + ".", ""]
    if one.cost:
        lines.append(f"- Costs: {one.cost}.")
    if one.advice:
        lines.append(f"- Fix: {one.advice}.")
    return [*lines, ""]


if __name__ == "__main__":
    main()
