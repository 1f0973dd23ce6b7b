"""The measures as a table that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quality_score import Errors

Row = dict[str, Any]


def table(items: Sequence[Row]) -> str:
    """Everything that is asked of the bench, a file a row, pooled below."""
    parts = [words(items), turns(items), clips(items, "sure"), clips(items, "all"), silence(items), again(items)]
    notes = [f"  {item['file']}: {reason}" for item in items for reason in _notes(item)]
    return "\n\n".join([*filter(None, parts), "\n".join(["Not scored:", *notes]) if notes else ""]).rstrip()


def _notes(item: Row) -> list[str]:
    return [*item["not_scored"], *([f"not used by captioner: {item['failure']}"] if item["failure"] else [])]


def grid(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    cells = [list(head), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]  # fmt: skip
    return "\n".join([title, *lines])


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _percent(part: float | None, whole: float = 1.0) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def words(items: Sequence[Row]) -> str:
    rows = []
    pooled = [Errors(), Errors()]
    for item in items:
        if item["wer"] is not None:
            ours, theirs = Errors(**item["wer"]), Errors(**item["wer_alone"])
            pooled = [pooled[0] + ours, pooled[1] + theirs]
            rows.append([item["file"], *_wer(ours), *_wer(theirs)])
    rows.append(["pooled", *_wer(pooled[0]), *_wer(pooled[1])])
    return grid("Words heard (WER %), beside faster-whisper alone",
                 ["file", "WER", "sub", "del", "ins", "words", "alone", "sub", "del", "ins"],
                 [row[:6] + row[6:10] for row in rows])  # fmt: skip


def _wer(errors: Errors) -> list[Any]:
    return [_percent(errors.rate), errors.substitutions, errors.deletions, errors.insertions, errors.reference]


def turns(items: Sequence[Row]) -> str:
    rows = []
    pooled = dict.fromkeys(("missed", "false_alarm", "confusion", "total"), 0.0)
    for item in items:
        found, coarse = item["der"], item["der_coarse"]
        if found is None:
            continue
        total = found["total"]
        counted = [_percent(found[kind], total) for kind in ("missed", "false_alarm", "confusion")]
        whole = None if coarse else sum(part or 0.0 for part in counted)
        rows.append([item["file"] + (" (parts)" if coarse else ""), whole,
                     *([None, None, counted[2]] if coarse else counted), *item["speakers"]])  # fmt: skip
        if not coarse:
            pooled = {kind: pooled[kind] + found[kind] for kind in pooled}
    total = pooled.pop("total")
    rows.append(
        ["pooled", _percent(sum(pooled.values()), total), *(_percent(v, total) for v in pooled.values()), None, None]
    )
    head = ["file", "DER", "missed", "false alarm", "confusion", "speakers", "true"]
    return grid("Turns (DER %, no collar, overlap counted)", head, rows)


def clips(items: Sequence[Row], which: str) -> str:
    rows: list[list[Any]] = []
    sums: list[float] = [0.0] * 10
    sentences = []
    for item in items:
        found = item[which]
        kept = found["kept"]
        errors = sum((Errors(**e) for e in found.get("caption", {}).values()), Errors())
        row = [
            found["clips"], _count(found, "words_cut"), _count(found, "words_cut_sounding"),
            _count(found, "foreign_words"), found.get("foreign_seconds"),
            _count(found, "crossed"),
            errors.substitutions + errors.deletions if "caption" in found else None,
            errors.substitutions + errors.insertions if "caption" in found else None,
            kept and kept["of"], kept and kept["kept"],
        ]  # fmt: skip
        sums = [total + (value or 0) for total, value in zip(sums, row, strict=True)]
        rows.append([item["file"], *row, _percent(kept["kept"], kept["of"]) if kept else None])
        if found["sentences"]:
            sentences.append(f"{item['file']}: {found['sentences'][0]} of {found['sentences'][1]} sentences survive")
    counts = [int(value) if index not in (4, 8, 9) else value for index, value in enumerate(sums)]
    rows.append(["pooled", *counts, _percent(sums[9], sums[8])])
    title = "Clips that nothing speaks against" if which == "sure" else "All clips, the doubted too"
    head = [
        "file",
        "clips",
        "words cut",
        "sounding",
        "foreign",
        "foreign s",
        "crossed",
        "lacks",
        "not said",
        "speech s",
        "kept s",
        "%",
    ]
    return "\n".join([grid(title, head, rows), *sentences])


def _count(found: Row, name: str) -> int | None:
    return len(found[name]) if name in found else None


def silence(items: Sequence[Row]) -> str:
    rows: list[list[Any]] = []
    for item in items:
        if item.get("silent_seconds"):
            captions = len(item["sure"].get("invented", []))
            rows.append(
                [item["file"], item["silent_seconds"], len(item["invented"]), captions, len(item["invented_alone"])]
            )
    if not rows:
        return ""
    total = [sum(row[column] for row in rows) for column in range(1, 5)]
    rows.append(["pooled", *total])
    rows.append(["an hour", None, *(3600 * value / total[0] for value in total[1:])])
    return grid("Invented where nobody speaks", ["file", "seconds", "words", "clips written", "words alone"], rows)


def again(items: Sequence[Row]) -> str:
    rows = []
    pooled = Errors()
    for item in items:
        if item.get("again") and item["sure"]["clips"]:
            errors = Errors(**item["again"]["errors"])
            pooled += errors
            rows.append([item["file"], *_wer(errors)])
    if not rows:
        return ""
    rows.append(["pooled", *_wer(pooled)])
    title = "Written clips transcribed again, against their captions (WER %)"
    return grid(title, ["file", "WER", "sub", "del", "ins", "words"], rows)
