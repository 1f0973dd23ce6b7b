"""How well the trust number is calibrated, and how its table was fitted.

    python bench/trust.py --fetch speech            Debian's prompts, a novel's lines and synthetic voices, unpacked
    python bench/trust.py --prompts speech --work work sample_dataset [DATA ...]
    python bench/trust.py ... --fit                 prints the table that the lines of the fitted voices ask for
    python bench/trust.py ... --fixture FILE        writes the tested lines' features, without sound or words

Recordings are composed of utterances whose words are known (`trust_data`), clean and as worse microphones, rooms and
lines have them; they go through a whole build, and so do the folders of data with truth. A line counts as wrong by
`trust_labels`. Weights are fitted to some voices and tested on others; a part of the recordings of a tested voice moves
the bias, and neither these nor what is said in them is tested. Wanted: expected calibration error at most 0.05; of the
lines above 0.9, at most 2 % wrong; at least half of all lines there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import trust_data
from quality_truth import Truth, load
from trust_fit import fit, shift, table
from trust_labels import Part, Said, parts_of, wrong

import captioner
from captioner.speech.trust import TABLE, features, trust
from captioner.times import Span
from captioner.types import Cut

FITTED = ("synthetic", "es", "fr", "it", "ru")
"""Groups of voices that the weights are fitted to, and that are never tested."""
SHIFTED = "readers"
"""Synthetic voices and foreign ones are harder to understand than they seem: the bias is moved until the mean trust in
every other recording of this group's first pass is right. These are not tested, nor is what is said in them..."""
NEVER = "librivox/"
"""... but for this voice, which the bias is not moved by either."""
SAME = ("interview.mp4",)
"""Recordings made of the same takes as others."""
SURE = 0.9
BINS = 10
PAUSE = 0.5
"""Seconds between words of the truth that part them."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One heard line."""

    file: str
    group: str
    condition: str
    text: str
    wrong: bool
    features: Mapping[str, float | None]
    said: frozenset[str] = frozenset()
    """The utterances that it is of."""

    @property
    def trust(self) -> float:
        return trust(self.features)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path, help="folders with data and truth")
    parser.add_argument("--fetch", type=Path, metavar="FOLDER")
    parser.add_argument("--prompts", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, default=Path("trust_dataset"), help="where recordings and builds are kept")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--fixture", type=Path)
    parser.add_argument("--errors", action="store_true", help="name the wrong lines that are trusted")
    given = parser.parse_args(arguments)
    if given.fetch:
        trust_data.fetch(given.fetch)
        return 0
    rows, undecided = collect(given.prompts, given.data, given.work)
    fitted, moving, tested = split(rows)
    print(f"{len(rows)} lines ({undecided} more whose words cannot be decided)")
    if given.fit:
        weights, bias = fit(fitted)
        print(table(weights, bias + shift(moving, weights, bias)))
    report("fitted", [*fitted, *moving], errors=given.errors)
    report("tested", tested, errors=given.errors)
    if given.fixture:
        given.fixture.write_bytes(gzip.compress(json.dumps(fixture(tested)).encode(), mtime=0))
    return 0


# --- lines ------------------------------------------------------------------------------------------------------------


def collect(prompts: Path | None, data: Sequence[Path], work: Path) -> tuple[list[Row], int]:
    """The lines of every recording with truth, and how many more could not be decided."""
    rows: list[Row] = []
    undecided = 0
    known = trust_data.corrections()
    if prompts:
        composed = work / "recordings"
        if not (composed / "truth.json").is_file():
            trust_data.compose(trust_data.utterances(prompts), composed)
        recordings = json.loads((composed / "truth.json").read_text(encoding="utf-8"))
        truths = {one["file"]: (one["group"], one["condition"], parts_of(one, known)) for one in recordings}
        found, passed = _rows([composed], work / "composed", truths)
        rows, undecided = rows + found, undecided + passed
    for folder in data:
        items = [truth for truth in load(folder) if truth.speech == [] or parts_of_truth(truth)]
        items = [truth for truth in items if Path(truth.file).name not in SAME]
        truths = {Path(t.file).name: (folder.name, "as it is", parts_of_truth(t)) for t in items}
        found, passed = _rows([t.path for t in items], work / folder.name, truths)
        rows, undecided = rows + found, undecided + passed
    return rows, undecided


def _rows(
    inputs: Sequence[Path], out: Path, truths: Mapping[str, tuple[str, str, list[Part]]]
) -> tuple[list[Row], int]:
    found, undecided = [], 0
    cuts_by_name, lost = built(inputs, out)
    for name, cuts in cuts_by_name.items():
        group, condition, parts = truths[Path(name).name]
        lines = [(line, cut) for cut in cuts for line in cut.lines]
        said = [Said(line.span.start, line.span.end, line.text) for line, _ in lines]
        # What no clip holds is aligned with the rest, so that its words are not missed in what clips do hold.
        verdicts = wrong([*said, *lost.get(name, ())], parts)[: len(lines)]
        undecided += verdicts.count(None)
        found += [
            Row(name, group, condition, line.text, verdict, features(line, cut), names_in(line.span, parts))
            for (line, cut), verdict in zip(lines, verdicts, strict=True)
            if verdict is not None
        ]
    return found, undecided


def names_in(span: Span, parts: Sequence[Part]) -> frozenset[str]:
    """The utterances that share time with a span."""
    return frozenset(part.name for part in parts if part.name and part.shares(span.start, span.end) > 0)


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """The lines that weights are fitted to, that the bias is moved by, and that are tested: of other recordings, and of
    other utterances."""
    half = [row for row in rows if row.group == SHIFTED and _even(row.file)]
    moving = [row for row in half if not any(name.startswith(NEVER) for name in row.said)]
    used = {name for row in half for name in row.said if not name.startswith(NEVER)}
    rest = [row for row in rows if row.group not in FITTED and row not in half]
    return [row for row in rows if row.group in FITTED], moving, [row for row in rest if not used & row.said]


def _even(file: str) -> bool:
    number = Path(file).stem.removeprefix(f"{SHIFTED}-")
    return number.isdigit() and int(number) % 2 == 0


def built(inputs: Sequence[Path], out: Path) -> tuple[dict[str, list[Cut]], dict[str, list[Said]]]:
    """A build's cuts and the lines that none of them holds, by recording; nothing is written but the store."""
    from captioner.pipeline import HOME
    from captioner.store import Store, unpack

    summary = captioner.build(inputs, out, yes=False, trigger="x", min_frames=17, min_trust=0.0)
    cuts: dict[str, list[Cut]] = {}
    with Store(out / HOME) as store:
        for row in store.clips():
            cuts.setdefault(row.recording, []).append(unpack(row.cut, Cut))
    lost: dict[str, list[Said]] = {}
    for one in summary.lost:
        if one.text:
            lost.setdefault(one.recording, []).append(Said(one.start, one.end, one.text))
    return cuts, lost


def parts_of_truth(truth: Truth) -> list[Part]:
    """What is said when, as exactly as the truth knows it."""
    if any(not sentence.get("words") for sentence in truth.sentences):
        return []  # what is said elsewhere in it has no times
    if truth.words:
        return list(_runs(truth))
    if truth.lines:
        return [Part(start, end, "", text) for start, end, text in truth.lines]
    return [Part(0.0, truth.duration, "", truth.text)] if truth.text else []


def _runs(truth: Truth) -> Iterator[Part]:
    """Words of one voice without a pause."""
    for voice in dict.fromkeys(word.speaker for word in truth.words or ()):
        run: list[Any] = []
        for word in sorted((w for w in truth.words or () if w.speaker == voice), key=lambda w: w.start):
            if run and word.start - run[-1].end > PAUSE:
                yield Part(run[0].start, run[-1].end, str(voice), " ".join(w.text for w in run))
                run = []
            run.append(word)
        if run:
            yield Part(run[0].start, run[-1].end, str(voice), " ".join(w.text for w in run))


# --- calibration ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    lines: int
    wrong: float
    """Share of all lines."""
    error: float
    """Expected calibration error: the mean gap between trust and truth over `BINS` bins, by their lines."""
    sure: float
    """Share of the lines above `SURE`."""
    sure_wrong: float
    """Share of those that are wrong."""
    area: float
    """Probability that a right line is trusted more than a wrong one."""


def calibration(trusts: Array, bad: NDArray[np.bool_]) -> Calibration:
    """Raises ValueError without lines."""
    if not len(trusts):
        raise ValueError("no lines to test")
    bins = np.minimum((trusts * BINS).astype(int), BINS - 1)
    gaps = [abs(trusts[bins == i].mean() - (1 - bad[bins == i].mean())) * (bins == i).mean() for i in np.unique(bins)]
    above = trusts > SURE
    right, other = trusts[~bad], trusts[bad]
    pairs = (right[:, None] > other[None, :]) + 0.5 * (right[:, None] == other[None, :])
    return Calibration(
        len(trusts),
        float(bad.mean()),
        float(sum(gaps)),
        float(above.mean()),
        float(bad[above].mean()) if above.any() else 0.0,
        float(pairs.mean()) if pairs.size else 1.0,
    )


def report(title: str, rows: Sequence[Row], *, errors: bool = False) -> None:
    if not rows:
        return
    trusts, bad = np.array([row.trust for row in rows]), np.array([row.wrong for row in rows])
    _tell(title, calibration(trusts, bad))
    for key in ("group", "condition"):
        for name in sorted({getattr(row, key) for row in rows}):
            chosen = np.array([getattr(row, key) == name for row in rows])
            _tell(f"  {name}", calibration(trusts[chosen], bad[chosen]))
    print("  held below, of all and of the wrong; wrong among the rest:")
    for least in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        low = trusts < least
        kept = bad[~low].mean() if (~low).any() else 0.0
        print(f"    {least:.1f}  {low.mean():6.1%}  {low[bad].mean() if bad.any() else 0:6.1%}  {kept:6.1%}")
    if errors:
        for row in sorted(rows, key=lambda row: -row.trust):
            if row.wrong and row.trust > 0.5:
                print(f"    {row.trust:.2f} {row.file} ({row.condition}): {row.text}")


def _tell(title: str, found: Calibration) -> None:
    print(
        f"{title:16} {found.lines:4} lines, {found.wrong:5.1%} wrong; calibration error {found.error:.3f}; "
        f"{found.sure:5.1%} above {SURE:g}, {found.sure_wrong:5.1%} of them wrong; area {found.area:.3f}"
    )


def fixture(rows: Sequence[Row]) -> dict[str, Any]:
    """Features and verdicts alone: no words, no sound."""
    names = [feature.name for feature in TABLE]
    values = [[None if (v := row.features[name]) is None else round(v, 4) for name in names] for row in rows]
    bad = np.array([row.wrong for row in rows])
    found = calibration(np.array([trust(dict(zip(names, line, strict=True))) for line in values]), bad)
    printed = [round(found.error, 3), round(found.sure, 3), round(found.sure_wrong, 4)]
    return {"features": names, "lines": values, "wrong": bad.astype(int).tolist(), "printed": printed}


if __name__ == "__main__":
    sys.exit(main())
