"""Decisions as tables: out, through a spreadsheet, and back without losing or inventing anything."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import BadFormat
from captioner.review.sheetfile import (
    DRAFT,
    ClipRecord,
    as_csv,
    as_jsonl,
    guarded,
    mark,
    read_table,
    unguarded,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00\r\n"), max_size=40)
ODD = """= + - @ '= ''@ ' " ; , =1+1 -2 +x @y '+ “a” 1;2 1,2 <draft""".split()  # noqa: SIM905  signs read best
NASTY = st.one_of(TEXT, st.sampled_from(ODD)).map(str.strip)
RECORDS = st.lists(
    st.builds(
        ClipRecord,
        st.from_regex(r"[a-z]{1,8}_f[0-9]{1,4}n[0-9]{1,3}", fullmatch=True),
        st.sampled_from(["todo", "approved", "rejected", "flagged"]),
        NASTY,
        st.fixed_dictionaries({"speech": NASTY, "caption": NASTY, "reason": NASTY, "Ask_2": NASTY}),
        st.fixed_dictionaries({"caption": NASTY}),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda record: record.clip,
)


def locale(text: str, separator: str, newline: str, encoding: str) -> bytes:
    """As a spreadsheet of another country saves it."""
    out = io.StringIO()
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    csv.writer(out, delimiter=separator, lineterminator=newline).writerows(rows)
    return out.getvalue().encode(encoding)


@given(
    RECORDS, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\r\n", "\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)  # fmt: skip
def test_an_untouched_table_says_what_was_exported(
    records: list[ClipRecord], separator: str, newline: str, encoding: str
) -> None:
    table = read_table(locale(as_csv(records), separator, newline, encoding), "x.csv")
    assert not table.faults
    assert [row.clip for row in table.rows] == [record.clip for record in records]
    for row, record in zip(table.rows, records, strict=True):
        assert row.decision == record.decision
        assert row.reason == record.reason
        assert row.fields == record.fields
        assert row.was == record.was()


@given(RECORDS)
def test_jsonl_comes_back_exactly(records: list[ClipRecord]) -> None:
    table = read_table(as_jsonl(records).encode(), "x.jsonl")
    assert not table.faults
    for row, record in zip(table.rows, records, strict=True):
        assert (row.clip, row.decision, row.reason) == (record.clip, record.decision, record.reason)
        assert (row.fields, row.was) == (record.fields, record.was())


@given(NASTY)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "＝", "＋", "－", "＠"))
    assert unguarded(cell) == text


def test_the_first_bytes_are_what_spreadsheets_want() -> None:
    text = as_csv([ClipRecord("a_f0n9", "todo", "", {"speech": "x"})])
    assert text.startswith("\ufeffclip,decision,reason,speech,was\r\n")


@given(st.sampled_from(["\n", "  ", "\t", " \u00a0"]))
def test_blanks_alone_are_no_change(blank: str) -> None:
    assert mark(f"so{blank}it is ") == mark("so it is")
    assert mark("so it is") != mark("so, it is")


def one(**more: str) -> bytes:
    heads = {"clip": "a_f0n9", **more}
    return f"{','.join(heads)}\n{','.join(heads.values())}\n".encode()


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ("approve", "approved"),
        ("OK", "approved"),
        ("Rejected", "rejected"),
        ("flag", "flagged"),
        ("todo", "todo"),
        ("", None),
    ],
)
def test_decisions_are_read_as_people_write_them(given_: str, meant: str | None) -> None:
    (row,) = read_table(one(decision=given_), "x.csv").rows
    assert row.decision == meant


def test_a_table_made_by_hand_needs_only_what_it_says() -> None:
    (row,) = read_table(b"Clip;Decision\r\na_f0n9;ok\r\n", "x.csv").rows
    assert (row.clip, row.decision, row.reason, row.fields, row.was) == ("a_f0n9", "approved", None, {}, None)


def test_an_empty_cell_speaks_only_where_something_stood() -> None:
    (by_hand,) = read_table(one(speech="", voice="soft"), "x.csv").rows
    assert by_hand.fields == {"voice": "soft"}
    (exported,) = read_table(
        one(speech="", voice="soft", was=f"speech={mark('hello')} voice={mark('soft')}"), "x.csv"
    ).rows
    assert exported.fields == {"speech": "", "voice": "soft"}


def test_back_to_the_draft() -> None:
    (row,) = read_table(one(speech=DRAFT), "x.csv").rows
    assert row.fields == {"speech": None}
    (row,) = read_table(b'{"clip": "a_f0n9", "fields": {"speech": null}}', "x.jsonl").rows
    assert row.fields == {"speech": None}


def test_every_bad_row_is_named_and_the_others_are_kept() -> None:
    text = "clip,decision,speech\na,ok,x\n,ok,x\nb,maybe,x\na,no,y\nc,ok,x,y,z\n\nd,no,z\n"
    table = read_table(text.encode(), "x.csv")
    assert [row.clip for row in table.rows] == ["a", "d"]
    told = sorted(table.faults)
    assert [fault.split(":")[0] for fault in told] == ["line 3", "line 4", "line 5", "line 6"]
    assert "maybe" in told[1]
    assert "line 2" in told[2]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    text = 'clip,speech\na,"one\ntwo"\nb,x\nb,y\n'
    (fault,) = read_table(text.encode(), "x.csv").faults
    assert fault.startswith("line 5: b stands in line 4")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"), ("3", "not an object"), ('{"decision": "ok"}', "no clip"), ('{"clip": 3}', "no clip"),
        ('{"clip": "b", "decision": 4}', "must be texts"), ('{"clip": "b", "fields": {"speech": 4}}', "a text or null"),
        ('{"clip": "b", "fields": []}', "a text or null"), ('{"clip": "b", "speech": "x"}', "'speech' is not known"),
        ('{"clip": "b", "was": 3}', "was"), ('{"clip": "b", "decision": "perhaps"}', "perhaps"),
    ],
)  # fmt: skip
def test_bad_lines_of_json_are_named(line: str, told: str) -> None:
    table = read_table(f'{{"clip": "a"}}\n{line}\n'.encode(), "x.jsonl")
    assert [row.clip for row in table.rows] == ["a"]
    (fault,) = table.faults
    assert fault.startswith("line 2")
    assert told in fault


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no column `clip`"), (b"name,decision\na,ok\n", "no column `clip`"), (b"clip,x,x\n", "two columns"),
        ("clip,speech\na,café\n".encode("cp1252"), "CSV UTF-8"), (b"[]", "no clip"), (b'{"rows": []}', "no clip"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(BadFormat, match=r"x\.csv.*" + told):
        read_table(data, "x.csv")


def test_excels_own_first_line_is_understood() -> None:
    (row,) = read_table(b"sep=|\r\nclip|decision\r\na|ok\r\n", "x.csv").rows
    assert row.decision == "approved"


def test_a_page_saves_what_a_table_says() -> None:
    record = ClipRecord("a_f0n9", "todo", "", {"speech": "x"})
    saved = {"sheet": 1, "dataset": "d", "rows": [{"clip": "a_f0n9", "decision": "rejected", "reason": "noise",
                                                   "fields": {"speech": "y"}, "was": record.was()}]}  # fmt: skip
    (row,) = read_table(json.dumps(saved).encode(), "x.json").rows
    assert replace(row, line=0).fields == {"speech": "y"}
    assert (row.decision, row.reason, row.was) == ("rejected", "noise", record.was())
