"""Decisions made elsewhere, brought back to a desk: what was changed there, and nothing that was changed here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from factory import Audio, Video, make, noise
from hypothesis import given
from hypothesis import strategies as st
from made_dataset import make_dataset
from test_review_sheetfile import NASTY

from captioner.cli import main
from captioner.errors import UsageError
from captioner.identify import PROBE_VERSION, Probed
from captioner.media.probe import probe
from captioner.review.decide import Held, Row, as_text, decide, merge
from captioner.review.desk import Desk
from captioner.review.pieces import Pieces
from captioner.review.sheet import export
from captioner.review.sheetfile import ClipRecord, as_csv, as_jsonl, mark, read_table
from captioner.store import key_of

STATE = st.sampled_from(["todo", "approved", "rejected", "flagged"])
HELD = st.builds(
    Held,
    STATE,
    NASTY,
    st.fixed_dictionaries({"speech": NASTY, "voice": NASTY}),
    st.fixed_dictionaries({"speech": NASTY, "voice": NASTY}),
).map(lambda held: held if held.state in ("rejected", "flagged") else replace(held, reason=""))


def exported(held: Held) -> ClipRecord:
    return ClipRecord("a_f0n9", held.state, held.reason, held.fields)


def back(record: ClipRecord, was: ClipRecord, form: str) -> Row:
    """The row of a table in which somebody made `record` of `was`."""
    text = as_csv([record]) if form == "csv" else as_jsonl([record])
    (row,) = read_table(text.encode(), f"x.{form}").rows
    return replace(row, was=was.was())


@given(HELD, STATE, NASTY, NASTY, st.sampled_from(["csv", "jsonl"]))
def test_what_was_changed_there_is_what_comes_back(held: Held, state: str, reason: str, words: str, form: str) -> None:
    there = replace(exported(held), decision=state, reason=reason, fields={**held.fields, "speech": words})
    merged = merge(back(there, exported(held), form), held)
    assert not merged.conflicts
    assert not merged.faults
    after = {**held.fields, **merged.fields}
    assert mark(after["speech"] or "") == mark(words)
    assert after["voice"] == held.fields["voice"]
    got = merged.decision or (held.state, held.reason)
    kept = reason if state in ("rejected", "flagged") else ""
    assert (got[0], mark(got[1])) == (state, mark(kept))


@given(HELD, HELD, st.sampled_from(["csv", "jsonl"]))
def test_an_untouched_table_changes_nothing_whatever_happened_here(then: Held, now: Held, form: str) -> None:
    merged = merge(back(exported(then), exported(then), form), now)
    assert not merged.changes
    assert not merged.conflicts


@given(HELD, HELD, HELD, st.booleans())
def test_what_both_changed_is_a_conflict_unless_it_is_the_same(
    then: Held, there: Held, here: Held, force: bool
) -> None:
    row = back(exported(there), exported(then), "jsonl")
    merged = merge(row, here, force=force)
    for name in ("speech", "voice"):
        old, theirs, ours = (mark(one.fields[name]) for one in (then, there, here))
        both = theirs != old and ours != old and theirs != ours
        told = any(one.startswith("words:" if name == "speech" else name) for one in merged.conflicts)
        assert told == (both and not force)
        assert (name in merged.fields) == (theirs not in (old, ours) and (force or ours == old))


def test_a_table_made_by_hand_has_no_conflicts() -> None:
    held = Held("approved", "", {"speech": "here"}, {"speech": "draft"})
    merged = merge(Row("a", 1, "rejected", "noise", {"speech": "there"}), held)
    assert (merged.decision, merged.fields, merged.conflicts) == (("rejected", "noise"), {"speech": "there"}, ())


def test_a_field_that_no_clip_has_is_a_fault() -> None:
    merged = merge(Row("a", 1, fields={"spech": "x"}), Held("todo", "", {"speech": "y"}, {"speech": "y"}))
    assert merged.faults == ("no field 'spech'; there are speech",)


# --- at a desk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(make_dataset(tmp_path / "out", 6)) as made:
        yield made


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def save(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:  # another program's habits: semicolons, no mark
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_goes_out_and_comes_back(desk: Desk, tmp_path: Path) -> None:
    export(desk, tmp_path / "x.csv")
    assert not decide(desk, tmp_path / "x.csv").clips, "untouched"
    rows = rows_of(tmp_path / "x.csv")
    first, second, third, fourth = (row["clip"] for row in rows[:4])
    rows[0] |= {"decision": "ok", "speech": "Well, there it is."}
    rows[1] |= {"decision": "rejected", "reason": "a dog barks"}
    rows[2]["speech"] = ""
    rows[3]["sounds"] = "'=HYPERLINK(1)"
    report = decide(desk, save(tmp_path / "y.csv", rows))
    assert report.clean, as_text(report)
    assert report.clips == (first, second, third, fourth)
    items = {id_: desk.item(id_) for id_ in report.clips}
    assert items[first].line.status == "approved"
    assert items[first].line.words == "Well, there it is."
    assert '"Well, there it is."' in items[first].caption
    assert (items[second].line.status, items[second].line.reason) == ("rejected", "a dog barks")
    assert items[third].line.words == ""
    assert {field.name: field.value for field in items[fourth].fields}["sounds"] == "=HYPERLINK(1)"
    assert not decide(desk, tmp_path / "y.csv").clips, "a second time changes nothing"
    desk.do("undo")
    assert all(desk.item(id_).line.status == "todo" for id_ in report.clips), "one undo takes all of it back"


def test_a_clip_that_was_changed_here_meanwhile_is_shown_and_left(desk: Desk, tmp_path: Path) -> None:
    export(desk, tmp_path / "x.csv")
    rows = rows_of(tmp_path / "x.csv")
    first, second = (row["clip"] for row in rows[:2])
    desk.do("set-field", clip=first, field="speech", text="Mine.")
    desk.do("reject", clip=second, reason="mine")
    rows[0]["speech"] = "Theirs."
    rows[0]["sounds"] = "theirs too"
    rows[1]["decision"] = "approved"
    path = save(tmp_path / "y.csv", rows)
    report = decide(desk, path)
    assert len(report.conflicts) == 2
    assert '"Theirs."' in report.conflicts[0]
    assert '"Mine."' in report.conflicts[0]
    assert "approved" in report.conflicts[1]
    assert report.clips == (first,), "what is no conflict is done"
    assert desk.item(first).line.words == "Mine."
    assert desk.item(second).line.status == "rejected"
    assert not decide(desk, path, force=True).conflicts
    assert desk.item(first).line.words == "Theirs."
    assert desk.item(second).line.status == "approved"


def test_bad_rows_cost_the_good_ones_nothing(desk: Desk, tmp_path: Path) -> None:
    ids = list(desk.session.ids)
    path = tmp_path / "x.jsonl"
    path.write_text(
        f'{{"clip": "{ids[0]}", "decision": "approved"}}\n{{"clip": "gone_f0n9", "decision": "ok"}}\nnot json\n'
        f'{{"clip": "{ids[1]}", "fields": {{"trigger": " ", "voice": "soft"}}}}\n'
        f'{{"clip": "{ids[2]}", "fields": {{"nothing": "x"}}}}\n',
        encoding="utf-8",
    )
    report = decide(desk, path)
    assert report.clips == (ids[0], ids[1])
    assert sorted(fault.split(":")[0] for fault in report.faults) == ["line 2", "line 3", "line 4", "line 5"]
    assert {field.name: field.value for field in desk.item(ids[1]).fields}["trigger"] == "mw_anna"
    assert not report.clean
    assert "line 2: gone_f0n9" in as_text(report)


def test_a_dry_run_tells_and_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"clip,decision\n{desk.session.ids[0]},ok\n", encoding="utf-8")
    report = decide(desk, tmp_path / "x.csv", dry=True)
    assert "1 of 1 clips would change" in as_text(report)
    assert desk.item(desk.session.ids[0]).line.status == "todo"


def test_approval_holds_for_the_words_that_came_with_it(desk: Desk, tmp_path: Path) -> None:
    clip = desk.session.ids[0]
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"clip": "{clip}", "decision": "ok", "fields": {{"speech": "So   it  is."}}}}', encoding="utf-8")
    decide(desk, path)
    item = desk.item(clip)
    assert item.line.status == "approved"
    assert item.status.words == item.line.words == "So it is."
    assert item.notices == ()


@pytest.mark.parametrize("name", ["x.txt", "x", "x.xlsx"])
def test_only_known_forms_are_exported(desk: Desk, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"\.html, \.csv or \.jsonl"):
        export(desk, tmp_path / name)


def test_a_file_that_is_not_there_is_told(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv"):
        decide(desk, tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="cannot be written"):
        export(desk, tmp_path / "no" / "x.csv")


def test_a_page_is_made_even_where_nothing_can_be_heard(desk: Desk, tmp_path: Path) -> None:
    told = export(desk, tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.count("<article") == 6
    assert page.count("Cannot be heard") == 6
    assert "not heard" in told


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    """A dataset with its source."""
    out = make_dataset(tmp_path / "out", 3)
    (tmp_path / "raw").mkdir()
    path = make(tmp_path / "raw" / "ep000.mkv", Video(frames=800), Audio(noise(33, 48_000, 0.3), 48_000))
    with Desk(out) as desk:
        desk.store.remember_files([(str(path), path.stat().st_size, path.stat().st_mtime_ns, "c" * 64)])
        key = key_of("probe", PROBE_VERSION, "c" * 64, ".mkv", desk.settings.audio_stream)
        desk.store.put(key, "probe", Probed(*probe(path)))
    return out


def test_a_clip_leads_to_its_source(heard: Path) -> None:
    with Desk(heard) as desk:
        pieces = Pieces(desk.store, desk.settings, desk.out)
        for clip in desk.session.ids:
            piece = pieces.of(clip)
            assert piece.cut.id == clip
            assert piece.recording.path.endswith("raw/ep000.mkv")
            assert piece.recording.video is not None
        with pytest.raises(UsageError, match="no such clip"):
            pieces.of("other_f0n9")


@pytest.mark.parametrize("inside", [True, False])
def test_a_page_holds_the_sounds_or_has_them_beside_it(
    heard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    if not inside:
        monkeypatch.setattr("captioner.review.sheet.INSIDE", 1000)
    with Desk(heard) as desk:
        told = export(desk, tmp_path / "x.html")
        ids = list(desk.session.ids)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3
    assert page.count("<path d=") == 3
    assert page.count("data:audio/mp4;base64,") == (3 if inside else 0)
    beside = sorted(path.name for path in (tmp_path / "x_sounds").iterdir()) if not inside else []
    assert beside == ([] if inside else sorted(f"{id_}.m4a" for id_ in ids))
    assert ("x_sounds" in told) is not inside


def test_the_command_line(heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", str(heard), "--export-sheet", str(tmp_path / "x.csv"), "--filter", "st:todo"]) == 0
    rows = rows_of(tmp_path / "x.csv")
    assert len(rows) == 3
    rows[0]["decision"] = "ok"
    save(tmp_path / "y.csv", rows)
    assert main(["decide", str(tmp_path / "y.csv"), "--out", str(heard), "--dry-run"]) == 0
    assert "would change" in capsys.readouterr().out
    assert main(["decide", str(tmp_path / "y.csv"), "--out", str(heard)]) == 0
    rows[0]["decision"] = "no"
    assert main(["decide", str(save(tmp_path / "y.csv", rows)), "--out", str(heard)]) == 1
    assert "--force" in capsys.readouterr().out
    assert main(["decide", str(tmp_path / "y.csv"), "--out", str(heard), "--force"]) == 0
    assert main(["review", str(heard), "--export-sheet", str(tmp_path / "z.csv"), "--filter", "st:todo"]) == 0
    assert len(rows_of(tmp_path / "z.csv")) == 2
    assert main(["decide", str(tmp_path / "nowhere.csv"), "--out", str(heard)]) == 2
    with Desk(heard):
        assert main(["decide", str(tmp_path / "y.csv"), "--out", str(heard)]) == 1
        assert "another captioner" in capsys.readouterr().err
