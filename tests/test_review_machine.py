"""Any sequence of actions, undo, redo, restart and crash against a naive model: whole snapshots, no events."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from captioner.cuts.recut import fault
from captioner.decisions import place_of
from captioner.errors import UsageError
from captioner.rendering import render
from captioner.review import ledger
from captioner.review.desk import Desk
from captioner.reviewlog import read_decisions
from captioner.run import settings_of
from captioner.store import Store, WrittenRow
from tests.heard_dataset import SETTINGS, make_heard

TEXTS = st.sampled_from(["", "so", "so it is", "don't go there", "Ärger und so", "it is it is", "where did you go"])


@dataclass(frozen=True)
class Clip:
    """What the model knows of a clip."""

    status: str
    reason: str
    words: str
    speaker: str
    trigger: str = "tok"

    @property
    def caption(self) -> str:
        """The plain dialect: the trigger and the words."""
        return f'{self.trigger}: "{self.words}"' if self.words else self.trigger


Snapshot = dict[str, Clip]


def touched(clip: Clip) -> str:
    return "edited" if clip.status in ("todo", "edited", "approved") else clip.status


class Review(RuleBasedStateMachine):
    template: Path

    @initialize()
    def build(self) -> None:
        self.room = Path(tempfile.mkdtemp())
        self.out = self.room / "out"
        shutil.copytree(template_out(), self.out)
        self.desk = Desk(self.out)
        self.now: Snapshot = self.seen()
        self.drafts = {id_: clip.words for id_, clip in self.now.items()}
        self.past: list[Snapshot] = []
        self.future: list[Snapshot] = []

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.write_files()
            self.desk.close()
            shutil.rmtree(self.room)

    # -- what is there -------------------------------------------------------------------------------------------

    def seen(self) -> Snapshot:
        found = {}
        for id_ in self.desk.store.rows.ids():
            item = self.desk.item(id_)
            assert item is not None
            fields = {field.name: field.value for field in item.fields}
            line = item.line
            assert line.words == fields["speech"]
            found[id_] = Clip(line.status, line.reason, fields["speech"], line.speaker, fields["trigger"])
        return found

    def went(self, after: Snapshot) -> None:
        if after != self.now:
            self.past.append(self.now)
            self.future = []
            self.now = after

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.now)), label="clip")

    # -- deciding ------------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        id_ = self.pick(data)
        self.desk.do("approve", clip=id_, confirmed=True)
        self.went({**self.now, id_: replace(self.now[id_], status="approved", reason="")})

    @rule(data=st.data(), state=st.sampled_from(["reject", "flag"]), why=st.sampled_from(["", "noise", "two voices"]))
    def turn_down(self, data: st.DataObject, state: str, why: str) -> None:
        id_ = self.pick(data)
        self.desk.do(state, clip=id_, reason=why, note=why)
        status = {"reject": "rejected", "flag": "flagged"}[state]
        self.went({**self.now, id_: replace(self.now[id_], status=status, reason=why)})

    @rule(data=st.data(), text=TEXTS)
    def write_words(self, data: st.DataObject, text: str) -> None:
        id_ = self.pick(data)
        clip = self.now[id_]
        self.desk.do("set-field", field="speech", text=text, clip=id_)
        if text != clip.words:
            self.went({**self.now, id_: replace(clip, words=text, status=touched(clip), reason=clip.reason)})

    @rule(data=st.data(), word=st.sampled_from(["ema", "tok two"]))
    def write_trigger(self, data: st.DataObject, word: str) -> None:
        id_ = self.pick(data)
        clip = self.now[id_]
        self.desk.do("set-field", field="trigger", text=word, clip=id_)
        if word != clip.trigger:
            self.went({**self.now, id_: replace(clip, trigger=word, status=touched(clip))})

    @rule(find=st.sampled_from(["so", "it", "you"]), instead=st.sampled_from(["", "is", "we all"]))
    def replace_words(self, find: str, instead: str) -> None:
        self.desk.do("replace", find=find, instead=instead, case=True, scope="all")
        after = {}
        for id_, clip in self.now.items():
            words = " ".join(clip.words.replace(find, instead).split())
            after[id_] = clip if words == clip.words else replace(clip, words=words, status=touched(clip))
        self.went(after)

    @rule(data=st.data(), name=st.sampled_from(["ema", "bob"]))
    def name_speaker(self, data: st.DataObject, name: str) -> None:
        id_ = self.pick(data)
        before = self.now[id_].speaker
        outcome = self.desk.do("name-speaker", name=name, clip=id_, confirmed=True)
        if outcome.kind != "warn":
            self.past.append(self.now)
            self.future = []
            self.now = {
                one: replace(clip, speaker=name) if clip.speaker == before else clip for one, clip in self.now.items()
            }

    # -- cutting -------------------------------------------------------------------------------------------------

    @rule(data=st.data(), how=st.sampled_from(["keep-trim", "split", "merge"]), start=st.integers(-20, 20),
          end=st.integers(-20, 20))  # fmt: skip
    def cut(self, data: st.DataObject, how: str, start: int, end: int) -> None:
        id_ = self.pick(data)
        given = {"keep-trim": {"start": start * 50, "end": end * 50}, "split": {"at": abs(start) / 10}, "merge": {}}[
            how
        ]
        try:
            outcome = self.desk.do(how, clip=id_, confirmed=True, **given)
        except UsageError:
            return
        if outcome.kind == "warn":
            return
        after = self.seen()
        gone, made = set(self.now) - set(after), set(after) - set(self.now)
        assert made or gone
        for one in made:
            slug, first, frames = place_of(one)
            table = self.desk.bench.of(f"{slug}.wav").table
            assert not fault(table, first, frames), "a person's cut is as legal as the machine's"
            assert after[one].status == "edited"
            assert self.desk.now(one).drafted.start == first
        assert all(after[one] == self.now[one] for one in set(after) & set(self.now)), "no other clip is touched"
        words = [
            (word.span, slug)
            for one in after
            for slug in (place_of(one)[0],)
            for line in self.desk.now(one).drafted.lines
            for word in line.words
        ]
        assert len(words) == len(set(words)), "no word is in two clips"
        self.went(after)

    # -- back and forth ------------------------------------------------------------------------------------------

    @rule()
    def undo(self) -> None:
        outcome = self.desk.do("undo")
        if not self.past:
            assert outcome.kind == "warn"
            return
        self.future.append(self.now)
        self.now = self.past.pop()

    @rule()
    def redo(self) -> None:
        outcome = self.desk.do("redo")
        if not self.future:
            assert outcome.kind == "warn"
            return
        self.past.append(self.now)
        self.now = self.future.pop()

    # -- misfortune ----------------------------------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.desk.close()
        self.desk = Desk(self.out)

    @rule(torn=st.binary(max_size=40).filter(lambda data: b"\n" not in data))
    def torn_line(self, torn: bytes) -> None:
        """Killed while a line was being written: it was never shown as saved."""
        self.desk.close()
        with (self.out / "review.jsonl").open("ab") as file:
            file.write(b'{"v":1,"batch":' + torn)
        self.desk = Desk(self.out)

    @precondition(lambda self: self.now)
    @rule(data=st.data(), action=st.sampled_from(["approve", "reject", "undo", "redo"]))
    def killed_before_commit(self, data: st.DataObject, action: str) -> None:
        """The journal has the entry, the store has not: what was on its way counts."""
        self.desk.close()
        kept = self.room / "kept.sqlite"
        shutil.copy(self.out / ".captioner" / "store.sqlite", kept)
        speakers = self.out / "speakers.jsonl"
        before = speakers.read_bytes() if speakers.exists() else None
        self.desk = Desk(self.out)
        if action in ("undo", "redo"):
            getattr(self, action)()
        elif action == "approve":
            self.approve(data)
        else:
            self.turn_down(data, "reject", "noise")
        self.desk.close()
        shutil.copy(kept, self.out / ".captioner" / "store.sqlite")
        if before is not None:
            speakers.write_bytes(before)
        self.desk = Desk(self.out)

    @rule()
    def write_files(self) -> None:
        """The `.txt` files hold the model's captions, byte for byte."""
        clips = self.out / "clips"
        clips.mkdir(exist_ok=True)
        ids = sorted(self.now)[::2]
        for id_ in ids:
            if self.desk.store.written_one(id_) is None:
                self.desk.store.set_written(WrittenRow(id_, "key", f"{id_}.wav", 0, 0, "", 0))
        self.desk.close()
        render(self.out, settings_of({}, base=SETTINGS))
        for id_ in ids:
            assert (clips / f"{id_}.txt").read_bytes() == f"{self.now[id_].caption}\n".encode()
        self.desk = Desk(self.out)

    # -- always --------------------------------------------------------------------------------------------------

    @invariant()
    def same_as_the_model(self) -> None:
        if not hasattr(self, "desk"):
            return
        assert self.seen() == self.now
        decided = read_decisions(self.out)
        rows = self.desk.store.rows
        assert {(clip, state) for clip, state, _, _ in rows.all_statuses()} == {
            (clip, status.state) for clip, status in decided.status.items()
        }
        assert {(clip, name, text) for clip, name, text, _ in rows.all_edits()} == {
            (clip, name, edit.text) for clip, edits in decided.fields.items() for name, edit in edits.items()
        }
        assert rows.counts() == Counter(clip.status for clip in self.now.values())
        mine = {clip for clip, edits in decided.fields.items() if "speech" in edits}
        said = rows.said(list(self.now))
        assert {clip for clip, (_, draft) in said.items() if draft is not None} == mine & self.now.keys()


class ReviewOfThousands(Review):
    """The same where the rows of every change are brought up as those of thousands are, and the log is brought into
    the store behind it."""

    @initialize()
    def few_are_many(self) -> None:
        ledger.MANY = 0

    def teardown(self) -> None:
        super().teardown()
        ledger.MANY = MANY


_MADE: list[Path] = []


def template_out() -> Path:
    if not _MADE:
        _MADE.append(make_heard(Path(tempfile.mkdtemp()) / "out"))
    return _MADE[0]


MANY = ledger.MANY
TestReview = Review.TestCase
TestReview.settings = settings(
    max_examples=25, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck)
)
TestReviewOfThousands = ReviewOfThousands.TestCase
TestReviewOfThousands.settings = settings(TestReview.settings, max_examples=15)


def test_a_store_that_was_thrown_away_knows_nothing_and_the_journal_all(tmp_path: Path) -> None:
    out = make_heard(tmp_path / "out")
    with Desk(out) as desk:
        first = desk.session.ids[0]
        desk.do("set-field", field="speech", text="so it is", clip=first)
        desk.do("approve", clip=first)
    shutil.rmtree(out / ".captioner")
    make_heard(out)
    with Desk(out) as desk:
        item = desk.item(first)
        assert item is not None
        assert (item.line.status, item.line.words) == ("approved", "so it is")
        assert desk.do("undo").rows == (first,)
        assert desk.page(0, 1)[0].status == "edited"


def test_the_store_can_be_read_by_others(tmp_path: Path) -> None:
    out = make_heard(tmp_path / "out")
    with Desk(out) as writer, Desk(out) as reader:
        assert reader.read_only
        assert not writer.read_only
        writer.do("approve")
        assert reader.refresh()
        assert reader.page(0, 1)[0].status == "approved"
    with Store(out / ".captioner") as store:
        assert store.rows.counts()["approved"] == 1
