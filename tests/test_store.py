"""The store: what is kept comes back equal, one writer at a time, damage is an error and never an empty answer."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.errors import StoreError
from captioner.store import ClipRow, Store, WrittenRow, key_of, pack, unpack
from captioner.times import Span
from captioner.types import Activity, Cut, Diarization, Doubt, Line, Sound, Turn, Word

spans = st.tuples(st.floats(0, 1e5), st.floats(0, 100)).map(lambda pair: Span.at(pair[0], pair[0] + pair[1]))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.builds(Word, texts, spans, st.none() | st.floats(0, 1), st.none() | texts)
lines = st.builds(
    Line,
    st.lists(words, min_size=1, max_size=4).map(tuple),
    st.none() | texts,
    st.lists(st.builds(Doubt, texts, texts, st.none() | spans), max_size=2).map(tuple),
)
rates = st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30)])
cuts = st.builds(Cut, texts, st.integers(0, 10**6), st.integers(1, 500), rates, st.lists(lines, max_size=3).map(tuple))


@given(cuts)
def test_what_is_packed_comes_back_equal(cut: Cut) -> None:
    assert unpack(pack(cut), Cut) == cut


def test_other_values_come_back_equal() -> None:
    values = [
        Activity(b"\x00\xff", b"\x01\x00", b"\x88\x00"),
        Diarization((Turn(Span(0.0, 1.5), "A"),), {"A": (0.5, 0.5)}),
        Sound(0.0, 0.0, float("-inf")),
    ]
    assert [unpack(pack(value), type(value)) for value in values] == values


@pytest.mark.parametrize("damage", [b"", b"no zlib", pack({"words": 3})])
def test_damaged_bytes_are_an_error(damage: bytes) -> None:
    with pytest.raises(StoreError, match="Cut"):
        unpack(damage, Cut)


def test_keys_depend_on_every_part_and_their_order() -> None:
    keys = {key_of("a", "b"), key_of("b", "a"), key_of("a", "b", None), key_of("ab"), key_of("a", ("b",))}
    assert len(keys) == 5


def test_results_and_files_outlive_the_process(tmp_path: Path) -> None:
    with Store(tmp_path / "home") as store:
        store.put("k", "vad", Activity(b"1", b"1", b"1"))
        store.remember_files([("/a", 1, 2, "hash")])
        store.set_meta("settings", "{}")
    with Store(tmp_path / "home") as store:
        assert store.get("k", Activity) == Activity(b"1", b"1", b"1")
        assert store.get("other", Activity) is None
        assert store.keys() == {"k"}
        assert store.known_files() == {"/a": (1, 2, "hash")}
        assert store.meta("settings") == "{}"


def test_what_another_process_packed_is_kept_as_it_is(tmp_path: Path) -> None:
    span = Span(1.0, 2.0)
    with Store(tmp_path) as store:
        store.put_packed("key", "stage", pack(span))
        assert store.get("key", Span) == span
        assert store.packed("key") == pack(span)
        assert store.packed("no such key") is None
        assert store.keys() == {"key"}


def test_a_recordings_clips_are_replaced_as_a_whole(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.replace_clips("one", [ClipRow("a", "one", 0, b"", b""), ClipRow("b", "one", 1, b"", b"")])
        store.replace_clips("two", [ClipRow("c", "two", 0, b"", b"")])
        store.replace_clips("one", [ClipRow("b", "one", 0, b"", b"x")])
        assert [(row.id, row.draft) for row in store.clips()] == [("b", b"x"), ("c", b"")]
        store.keep_only(["two"])
        assert [row.id for row in store.clips()] == ["c"]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.put("k", "vad", Activity(b"", b"", b""))
            _ = 1 / 0
        assert store.keys() == set()


def test_written_rows(tmp_path: Path) -> None:
    row = WrittenRow("a", "key", "a.mp4", 10, 20, "text", 0)
    with Store(tmp_path) as store:
        store.set_written(row)
        assert store.written() == {"a": row}
        store.unset_written(["a"])
        assert store.written() == {}


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    opened = f"from captioner.store import Store; from pathlib import Path; Store(Path({str(tmp_path)!r}))"
    hold = f"{opened}; print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="another captioner"):
            Store(tmp_path)
        other.kill()  # no time to clean up: the lease must not outlive it
        other.wait()
    with Store(tmp_path) as store:
        assert store.keys() == set()


def test_a_damaged_database_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"not a database at all, and long enough to be looked at" * 40)
    with pytest.raises(StoreError, match="delete"):
        Store(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    with pytest.raises(StoreError, match="another version"):
        Store(tmp_path)
