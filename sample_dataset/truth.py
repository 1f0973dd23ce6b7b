"""Writes what is known of a sample beside it, and its row of the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from media import streams
from script import Placed

from captioner.formats import ctm, rttm
from captioner.times import Span
from captioner.types import Turn, Word

HERE = Path(__file__).parent


def item(
    path: Path,
    placed: Sequence[Placed],
    events: Sequence[dict[str, Any]] = (),
    *,
    words: Sequence[Word] = (),
    **more: Any,
) -> dict[str, Any]:
    """Writes the truth of one file and returns its row of the manifest."""
    truth, name = HERE / "truth", path.stem
    row: dict[str, Any] = {"file": str(path.relative_to(HERE)), "bytes": path.stat().st_size}
    row["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    row |= streams(path)
    row |= {
        "language": "en" if placed else None,
        "composed": "COMPOSED" in more["notes"],
        "licence_clear": True,
        **more,
    }
    row["source"] = {"repo": None, "commit": None, "path": "; ".join(more["source"])}
    heard = [{"start": round(one.start, 3), "end": round(one.end, 3), "label": "Speech"} for one in placed]
    save(truth / f"{name}.events.json", [*heard, *events])
    turns = [Turn(Span.at(*span), one.utterance.speaker) for one in placed for span in one.spans]
    (truth / f"{name}.rttm").write_text(rttm.serialize({name: turns}))
    row |= {"events": f"truth/{name}.events.json", "rttm": f"truth/{name}.rttm"}
    if placed:
        lines = [{"speaker": one.utterance.speaker, "start": round(one.start, 3), "end": round(one.end, 3),
                  "text": one.utterance.text} for one in placed]  # fmt: skip
        save(truth / f"{name}.lines.json", lines)
        row |= {"lines": f"truth/{name}.lines.json", "transcript_text": " ".join(line["text"] for line in lines)}
    if words:
        (truth / f"{name}.ctm").write_text(ctm.serialize({name: words}))
        save(truth / f"{name}.words.json", [{"start": w.span.start, "end": w.span.end, "word": w.text} for w in words])
        row |= {"words": f"truth/{name}.words.json", "ctm": f"truth/{name}.ctm"}
    return row


def save(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
