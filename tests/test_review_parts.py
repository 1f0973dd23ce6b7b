"""The pure parts of the review: filter, keys, a person's words on a cut, corrections carried over, findings, fold."""

from __future__ import annotations

import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import rowtable
from captioner.captions.edited import carried, with_words
from captioner.captions.lint import lint
from captioner.decisions import Change, Entry, Shape, Status, fold, inverse, place_of
from captioner.errors import KeymapError, QueryError, StoreError
from captioner.review.actions import ACTIONS, STATES
from captioner.review.keydocs import as_markdown
from captioner.review.keymap import conflicts, mapped, read_keymap
from captioner.review.labels import choices, label_of, name_of
from captioner.review.query import parse, to_sql
from captioner.reviewlog import NAME, append_entry, read_entries
from captioner.rowtable import SCHEMA, ClipLine, Rows
from captioner.times import Span
from captioner.types import Caption, Cut, Line, Word

WORDS = st.lists(st.sampled_from("a b c it is so Don't".split()), min_size=1, max_size=7)  # noqa: SIM905


def cut_of(words: list[str]) -> Cut:
    said = tuple(Word(text, Span.at(place, place + 0.5), 0.9, "A") for place, text in enumerate(words))
    return Cut("one", 0, 200, Fraction(25), (Line(said, "A"),))


def caption_of(text: str, speech: str | None = None) -> Caption:
    return Caption(text, {"trigger": "tok", "speech": None if speech is None else f'"{speech}"'}, "plain")


# -- filter ------------------------------------------------------------------------------------------------------------

LINES = [
    ClipLine("a_f0n9", "one.mkv", 0, 9, 0, 2.0, "ema", 0.5, "en", "the lantern", " low-word ", 1, 0, "todo", "", "", 1),
    ClipLine("b_f0n9", "two.mkv", 0, 9, 0, 4.0, "bob", 0.9, "de", "the river", "", 0, 0, "approved", "", " speech ", 1),
    ClipLine("c_f0n9", "two.mkv", 9, 9, 1, 6.0, "", None, "", "", " no-words ", 2, 1, "rejected", "noise", "", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("st:todo conf:<.7", "a"), ("st:done", "bc"), ("st:todo,approved", "ab"), ("lint:any", "ac"),
        ("-lint:any", "b"),
        ("not lint:any", "b"), ("lint:error or spk:bob", "bc"), ("LANTERN", "a"), ('"the river"', "b"), ("the", "ab"),
        ("/l[ai]ntern|riv/", "ab"), ("dur:3..5", "b"), ("dur:>=4", "bc"), ("conf:none", "c"), ("-conf:<.7", "bc"),
        ("spk:none", "c"), ("file:two -(st:approved or lang:de)", "c"), ("reason:noi", "c"), ("field:speech", "b"),
        ("lint:low-word", "a"), ("is:edited", "b"), ("is:marked", "c"), ("lang:en or lang:de dur:>3", "ab"),
    ],
)  # fmt: skip
def test_a_filter_shows(query: str, ids: str) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA + "CREATE TABLE written (id TEXT);")
    rows = Rows(db)
    rows.fill((line, line.words.casefold(), None) for line in LINES)
    where, values = to_sql(parse(query), {"c_f0n9"})
    assert [id_[0] for id_ in rows.ids(where, values)] == list(ids)


@pytest.mark.parametrize("text", ["[", "what?", "*", "[a-z]", "]", "50 * 2", "ÄRGER", "x" * 2000])
def test_a_text_is_looked_for_sign_by_sign(text: str) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    rows = Rows(db)
    said = [f"a {text} b", "a what b", "50 x 2", "arger"]
    lines = [LINES[0]._replace(id=f"{place}", words=words) for place, words in enumerate(said)]
    rows.fill((line, line.words.casefold(), None) for line in lines)
    assert rows.ids(*to_sql(parse(f'"{text.upper()}"'))) == ["0"]
    assert rows.saying(["1", "0"], text) == ["0"]


@pytest.mark.parametrize("many", [1, 1000])
def test_how_many_clips_have_a_status_is_right_after_every_change(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowtable, "MANY", many)
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA + "CREATE TABLE clips (id TEXT);")
    rows = Rows(db)
    rows.fill((line, "", None) for line in LINES)
    assert rows.counts() == {"todo": 1, "approved": 1, "rejected": 1}
    rows.fill([(LINES[0]._replace(status="flagged"), "", None)])
    assert rows.counts() == {"flagged": 1, "approved": 1, "rejected": 1}
    rows.set_statuses({LINES[0].id: ("rejected", "", None), LINES[1].id: ("todo", "", None)})
    rows.follow([line.id for line in LINES])
    assert rows.counts() == {"rejected": 1, "todo": 2}
    rows.drop([LINES[0].id])
    assert rows.counts() == {"todo": 2}
    rows.drop_strangers()
    assert rows.counts() == {}


def test_other_words_than_were_approved_are_edited_in_thousands_too() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    rows, ids = Rows(db), [line.id for line in LINES]
    rows.fill((line, f'tok: "{line.words}"', None) for line in LINES)
    rows.set_statuses(
        {ids[0]: ("approved", "", "the lantern"), ids[1]: ("approved", "", "the river"), ids[2]: ("approved", "", None)}
    )
    rows.set_edits({(ids[1], "speech"): ("the sea", "the river"), (ids[1], "place"): ("", None)})
    rows.follow(ids)
    assert [(one.status, one.words, one.edited) for one in rows.get(ids).values()] == [
        ("approved", "the lantern", ""), ("edited", "the sea", " place speech "), ("approved", "", ""),
    ]  # fmt: skip
    assert rows.ids(*to_sql(parse("sea"))) == [ids[1]]
    rows.set_edits({(ids[1], "speech"): None})
    rows.follow(ids[1:])
    assert [(one.status, one.words, one.edited) for one in rows.get(ids[1:2]).values()] == [
        ("approved", "the river", " place ")
    ]
    assert sorted(rows.stale()) == sorted(ids)
    assert [one.rev for one in rows.get(ids).values()] == [2, 3, 3]


def test_a_field_is_called_by_what_it_says() -> None:
    names = ("speech", "act", "foreign", "no_music")
    assert [label_of(name) for name in names] == ["speech", "how said", "spoken in", "no music"]
    assert [name_of(asked, names) for asked in ("how said", "act", "no music", "what")] == [
        "act", "act", "no_music", "what",
    ]  # fmt: skip
    assert choices(names) == "speech, act (how said), foreign (spoken in), no_music (no music)"


@pytest.mark.parametrize(
    ("query", "position", "told"),
    [
        ("st:foo", 0, "give todo"), ("a conf:x", 2, "a number"), ("(a", 0, "not closed"), ("a) b", 1, "not opened"),
        ("speakr:ema", 0, "did you mean speaker"), ("a or", 4, "missing"), ("not", 0, "not what"),
        ("a /[/", 2, "regular"),
        ("spk:", 0, "what"), ('"open', 0, "from here"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_says_where(query: str, position: int, told: str) -> None:
    with pytest.raises(QueryError, match=told) as caught:
        parse(query)
    assert caught.value.position == position


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_a_query_error(text: str) -> None:
    try:
        where, values = to_sql(parse(text))
    except QueryError as error:
        where, values = "", []
        place = error.position
    else:
        place = 0
    assert 0 <= place <= len(text)
    assert where.count("?") == len(values)


# -- keys --------------------------------------------------------------------------------------------------------------


def test_the_table_has_no_conflicts_and_every_action_can_be_reached() -> None:
    assert not conflicts(ACTIONS)
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert all(action.title and set(action.states) <= set(STATES) for action in ACTIONS)
    unreliable = {"ctrl+enter", "alt+enter", "ctrl+i", "ctrl+m", "ctrl+h", *(f"alt+{digit}" for digit in range(10))}
    assert not unreliable & {key for action in ACTIONS for key in action.keys}


def test_a_persons_keys(tmp_path: Path) -> None:
    (tmp_path / "review.keys.toml").write_text('approve = "z"\nnext-todo = ["]", "Z"]\nprevious-todo = []\n')
    keymap = read_keymap(tmp_path)
    assert keymap.at["browse", "z"] == "approve"
    assert ("browse", "a") not in keymap.at
    assert ("browse", "[") not in keymap.at
    assert keymap.at["browse", "Z"] == "next-todo"


@pytest.mark.parametrize(
    ("given_keys", "told"),
    [
        ({"approve": "x"}, "both"), ({"aprove": "z"}, "did you mean approve"), ({"approve": 3}, "give a key"),
        ({"approve": [""]}, "give a key"),
    ],
)  # fmt: skip
def test_keys_that_cannot_be_used_are_refused(given_keys: dict[str, object], told: str) -> None:
    with pytest.raises(KeymapError, match=told):
        mapped(given_keys, "keys")


# -- words on a cut ----------------------------------------------------------------------------------------------------


@given(WORDS, WORDS)
def test_a_cut_says_what_a_person_wrote_and_known_words_keep_their_times(heard: list[str], written: list[str]) -> None:
    cut = cut_of(heard)
    said = with_words(cut, " ".join(written))
    assert [word.text for line in said.lines for word in line.words] == written
    times = [word.span for line in said.lines for word in line.words]
    assert all(cut.span.contains(span) for span in times)
    assert times == sorted(times)
    if len(heard) == len(written):
        same = [a == b for a, b in zip(heard, written, strict=True)]
        if all(same):
            assert said == cut


def test_no_words_leave_no_line() -> None:
    assert with_words(cut_of(["a", "b"]), "").lines == ()


@pytest.mark.parametrize(
    ("text", "before", "after", "kept"),
    [
        ("where did you leave the lantern", "where did you live the lantern", "did you live the lantern",
         "did you leave the lantern"),
        ("did you leave it", "did you live it", "did you live it then", "did you leave it then"),
        ("we all go", "I go", "go", "go"),
        ("totally other", "I told you", "told", None),
        ("so it is", "so it is", "never said", None),
    ],
)  # fmt: skip
def test_a_correction_goes_with_the_words_that_stay(text: str, before: str, after: str, kept: str | None) -> None:
    assert carried(text, before.split(), after.split()) == kept


@given(WORDS)
def test_nothing_corrected_is_nothing_to_carry(words: list[str]) -> None:
    unique = [f"{word}{place}" for place, word in enumerate(words)]
    assert carried(" ".join(unique), unique, unique[1:] or unique) == " ".join(unique[1:] or unique)


# -- findings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caption", "code", "error"),
    [
        (caption_of('other: "so it is"', "so it is"), "no-trigger", True),
        (caption_of("tok"), "no-words", True),
        (caption_of('tok: "so it is" he said "', "so it is"), "odd-quotes", True),
        (caption_of('tok: "so\u200bit"', "so it"), "unseen-sign", True),
        (caption_of('tok: "so it (is"', "so it (is"), "odd-brackets", False),
        (caption_of('tok: "the the lantern"', "the the lantern"), "doubled", False),
        (caption_of('tok: "in 1984"', "in 1984"), "digits", False),
        (caption_of('tok, high quality: "so it is"', "so it is"), "banned", False),
    ],
)
def test_what_is_found(caption: Caption, code: str, error: bool) -> None:
    found = {finding.code: finding for finding in lint(cut_of(["so", "it", "is"]), caption)}
    assert code in found
    assert found[code].error is error


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert lint(cut_of(["where", "did", "you"]), caption_of('tok: "where did you"', "where did you")) == ()


# -- the fold and its file ---------------------------------------------------------------------------------------------


def test_undo_and_redo_are_entries_of_their_own() -> None:
    one = Entry(1, "approve", (Change("status", "c", "", Status(), Status("approved")),))
    cut = Entry(2, "split", (Change("shape", new=Shape(("a_f0n9",), ("a_f0n8", "a_f8n8"))),))
    both = fold([one, cut])
    assert both.of("c").state == "approved"
    assert (both.gone, both.made) == ({"a_f0n9"}, {"a_f0n8", "a_f8n8"})
    back = fold([one, cut, Entry(3, "undo", undo=2), Entry(4, "undo", undo=1)])
    assert back == fold([])
    assert fold([one, cut, Entry(3, "undo", undo=2), Entry(4, "redo", redo=2)]) == both
    assert inverse(inverse(cut.changes)) == cut.changes


def test_ids_say_where_a_clip_is() -> None:
    assert place_of("take_1_f20n49") == ("take_1", 20, 49)
    assert place_of("strange") == ("strange", 0, 0)


def test_a_line_that_is_no_decision_is_named(tmp_path: Path) -> None:
    append_entry(tmp_path, Entry(1, "approve", (Change("status", "c", "", Status(), Status("approved")),)))
    with (tmp_path / NAME).open("a") as file:
        file.write('{"v": 1, "batch": "x", "did": "approve"}\n')
    with pytest.raises(StoreError, match="line 2: not a decision"):
        read_entries(tmp_path)


def test_the_page_of_keys_is_the_table() -> None:
    """`make docs` writes it."""
    page = Path(__file__).parent.parent / "docs" / "keys.md"
    assert page.read_text(encoding="utf-8") == as_markdown()
    assert all(f"`{action.id}`" in as_markdown() for action in ACTIONS)
