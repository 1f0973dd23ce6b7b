"""`captioner export`: a made dataset without models, each trainer's folder, and captions that hold what is heard."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log10
from pathlib import Path
from typing import Any

import pytest
import yaml
from clips import read_sound
from factory import Audio, Video, make, tone
from hypothesis import given
from hypothesis import strategies as st

from captioner.captions.adopt import spoken_in
from captioner.cli import main
from captioner.drafting import Drafter
from captioner.errors import BadFormat, SettingsError, UsageError
from captioner.exporting.choice import held_back, steps_for
from captioner.exporting.dataset import Clip
from captioner.exporting.export import export, targets
from captioner.exporting.heard import EDGE, Refused, Told, sorted_words, times_said, told, without_trigger
from captioner.exporting.work import Exported, Wish
from captioner.formats import ctm, rttm, srt, textgrid
from captioner.media.clipfile import write_wave
from captioner.settings import Settings
from captioner.store import ClipRow, Store, WrittenRow, pack
from captioner.times import Span
from captioner.trainers import ai_toolkit, ltx, trainer
from captioner.trainers._buckets import parse_buckets
from captioner.trainers._window import ClipFacts, Window
from captioner.types import Cut, Line, Word

SIZE = (192, 128)
SENTENCE = "one two three four five six"


def made_cut(slug: str, frames: int, speaker: str, text: str = SENTENCE, start: int = 0, rate: int = 25) -> Cut:
    """Words spread evenly over the cut, 0.1 s apart."""
    parts = text.split()
    begin, step = start / rate, frames / rate / len(parts)
    words = tuple(
        Word(part, Span.at(begin + n * step + 0.05, begin + (n + 1) * step - 0.05), speaker=speaker)
        for n, part in enumerate(parts)
    )
    return Cut(slug, start, frames, Fraction(rate), (Line(words, speaker),) if parts else ())


@dataclass
class Made:
    out: Path

    def add(
        self, cuts: Sequence[tuple[str, Cut]], *, sound_alone: frozenset[str] = frozenset(), **settings: Any
    ) -> None:
        """Writes clips and their captions as a build does: (recording, cut)."""
        held = Settings.model_validate({"trigger": "ema", **settings})
        drafter = Drafter.of(held)
        clips = self.out / "clips"
        clips.mkdir(parents=True, exist_ok=True)
        with Store(self.out / ".captioner") as store:
            store.set_meta("settings", json.dumps(held.model_dump(mode="json", exclude_defaults=True)))
            for recording in dict.fromkeys(name for name, _ in cuts):
                own = [cut for name, cut in cuts if name == recording]
                store.replace_clips(
                    recording,
                    [ClipRow(c.id, recording, n, pack(c), pack(drafter.draft(c, None))) for n, c in enumerate(own)],
                )
                for one in own:
                    self._write(store, clips, one, drafter.draft(one, None).text, alone=recording in sound_alone)

    def _write(self, store: Store, clips: Path, cut: Cut, caption: str, *, alone: bool, key: str = "k") -> None:
        seconds = float(cut.frames / cut.rate)
        sound = tone(220, seconds, 48_000)
        media = clips / f"{cut.id}{'.wav' if alone else '.mp4'}"
        if alone:
            import numpy as np

            write_wave(media, np.stack([sound, sound], axis=1))
        else:
            make(media, Video(frames=cut.frames, rate=cut.rate, size=SIZE), Audio(np_stereo(sound)))
        (clips / f"{cut.id}.txt").write_text(f"{caption}\n", encoding="utf-8")
        stat = media.stat()
        store.set_written(WrittenRow(cut.id, f"{key} {cut.id}", media.name, stat.st_size, stat.st_mtime_ns, caption, 0))


def np_stereo(samples: Any) -> Any:
    import numpy as np

    return np.stack([samples, samples], axis=1)


CUTS = [
    ("a.mp4", made_cut("a", 49, "ema")),
    ("a.mp4", made_cut("a", 57, "ema", "ten, nine: eight seven", start=60)),
    ("b.mp4", made_cut("b", 49, "ema", "never said before by anyone")),
    ("c.wav", made_cut("c", 49, "ema", "sound alone")),
    ("d.mp4", made_cut("d", 49, "bob", "somebody else talks")),
]


@pytest.fixture(scope="session")
def template_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    Made(out).add(CUTS, sound_alone=frozenset({"c.wav"}))
    return out


@pytest.fixture
def out(template_dataset: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    shutil.copytree(template_dataset, folder)  # keeps times
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


def one(out: Path, name: str, **wish: Any) -> Exported:
    return export(out, [name], Wish(**wish))[0]


def refused(done: Exported) -> dict[str, str]:
    return dict(done.refused)


# -- everything at once ----------------------------------------------------------------------------------------------


def test_all_targets_at_once_and_the_dataset_is_untouched(out: Path) -> None:
    before = snapshot(out / "clips")
    done = export(out, ["all"], Wish())
    assert [entry.target for entry in done] == targets()
    assert all((out / entry.target).is_dir() for entry in done)
    assert snapshot(out / "clips") == before
    assert {entry.clips for entry in done} <= {2, 3, 4, 5}
    again = export(out, ["all"], Wish())
    assert all(entry.stale == () for entry in again)
    assert [entry.clips for entry in again] == [entry.clips for entry in done]


def test_what_did_not_change_keeps_its_time(out: Path) -> None:
    """Only file times tell the LTX trainer's caches old from new."""
    one(out, "ltx")
    path = out / "ltx" / "dataset.json"
    os.utime(path, (1, 1))
    one(out, "ltx")
    assert path.stat().st_mtime == 1


def test_clips_are_linked_not_copied_unless_asked(out: Path) -> None:
    one(out, "ltx")
    source, link = out / "clips" / "a_f0n49.mp4", out / "ltx" / "clips" / "a_f0n49.mp4"
    assert link.samefile(source)
    one(out, "ltx", copy=True)
    assert not link.samefile(source)
    assert link.read_bytes() == source.read_bytes()


def test_ltx_reads_its_metadata_from_its_own_folder(out: Path) -> None:
    done = one(out, "ltx")
    rows = json.loads((out / "ltx" / "dataset.json").read_text(encoding="utf-8"))
    assert len(rows) == 4
    assert done.clips == 5
    for row in rows:
        assert not row["media_path"].startswith("/")
        assert ".." not in row["media_path"]
        assert (out / "ltx" / row["media_path"]).is_file()
        assert row["caption"] == (out / "clips" / f"{Path(row['media_path']).stem}.txt").read_text().strip()
    alone = json.loads((out / "ltx" / "audio.json").read_text(encoding="utf-8"))
    assert [row["audio"] for row in alone] == ["clips/c_f0n49.wav"]
    assert '--resolution-buckets "192x128x49;192x128x57"' in (out / "ltx" / "commands.sh").read_text()
    assert '--audio-durations "1.96"' in (out / "ltx" / "commands.sh").read_text()


def test_paths_are_those_of_the_machine_that_trains(out: Path) -> None:
    one(out, "musubi", root="/workspace/my data/")
    rows = [json.loads(row) for row in (out / "musubi" / "video_25.jsonl").read_text().splitlines()]
    assert rows[0]["video_path"] == "/workspace/my data/musubi/clips/a_f0n49.mp4"
    assert "'/workspace/my data/musubi/dataset.toml'" in (out / "musubi" / "commands.sh").read_text()


def test_id_lora_has_references_of_the_same_speaker_and_never_the_clip_itself(out: Path) -> None:
    done = one(out, "id-lora")
    rows = list(csv.DictReader(io.StringIO((out / "id-lora" / "dataset.csv").read_text(encoding="utf-8"))))
    assert len(rows) == done.clips == 3
    for row in rows:
        assert row["caption"].startswith("[VISUAL]: ema")
        target, reference = Path(row["media_path"]).stem, Path(row["reference"]).stem
        assert not reference.startswith(target)
        assert reference.split("_")[0] in ("a", "b", "c")
        samples = read_sound(out / "id-lora" / row["reference"])
        assert 1.9 < len(samples) / 48_000 <= 5.0
        middle = samples[24_000:48_000]
        assert -21 < 20 * log10(float((middle**2).mean() ** 0.5)) < -19
        assert abs(samples[0]).max() < 0.01
        assert abs(samples[-1]).max() < 0.01
    assert "no other clip of its speaker" in refused(done)["d_f0n49"]
    assert "sound alone" in refused(done)["c_f0n49"]


def test_forms_are_in_clip_time(out: Path) -> None:
    for name in ("srt", "rttm", "ctm", "textgrid", "hf"):
        one(out, name)
    id_ = "a_f60n57"
    words = ctm.parse((out / "ctm" / f"{id_}.ctm").read_text())[id_]
    assert [word.text for word in words] == ["ten,", "nine:", "eight", "seven"]
    assert words[0].span == Span(0.05, 0.52)
    assert rttm.parse((out / "rttm" / f"{id_}.rttm").read_text())[id_][0].speaker == "ema"
    cue = srt.parse((out / "srt" / f"{id_}.srt").read_text())[0]
    assert (cue.text, cue.span) == ("ten, nine: eight seven", Span(0.05, 2.23))
    tiers = {tier.name: tier for tier in textgrid.parse((out / "textgrid" / f"{id_}.TextGrid").read_text())}
    assert tiers["words"].intervals[3] == (words[3].span, "seven")
    assert tiers["speakers"].intervals[0][1] == "ema"
    rows = [json.loads(row) for row in (out / "hf" / "train" / "metadata.jsonl").read_text().splitlines()]
    assert all((out / "hf" / "train" / row["file_name"]).is_file() for row in rows)


# -- the trigger -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ltx", "ai-toolkit", "simpletuner", "id-lora"])
def test_a_trigger_left_to_the_trainer_is_not_in_its_captions(name: str, out: Path) -> None:
    one(out, name, left_to_trainer=True)
    folder = out / name
    texts = [path.read_text() for path in folder.rglob("*.txt")]
    texts += [row["caption"] for row in json.loads((folder / "dataset.json").read_text())] if name == "ltx" else []
    if name == "id-lora":
        texts += [row["caption"] for row in csv.DictReader(io.StringIO((folder / "dataset.csv").read_text()))]
    assert texts
    assert not any(times_said(text, "ema") for text in texts)
    config = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".sh", ".yaml", ".json"))
    assert "ema" in config
    assert all((out / "clips" / path.name).read_text().startswith("ema") for path in folder.rglob("clips/*.txt"))


def test_a_trigger_cannot_be_left_to_who_adds_none_or_stand_for_two(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="musubi adds no trigger"):
        one(out, "musubi", left_to_trainer=True)
    two = Made(tmp_path / "two")
    two.add(CUTS[:1] + CUTS[4:], speakers={"bob": {"trigger": "bobby"}})
    with pytest.raises(UsageError, match="bobby, ema"):
        one(tmp_path / "two", "ltx", left_to_trainer=True)
    one(tmp_path / "two", "ai-toolkit")
    job = yaml.safe_load((tmp_path / "two" / "ai-toolkit" / "train.yaml").read_text())
    assert "trigger_word" not in job["config"]["process"][0]
    assert (tmp_path / "two" / "ai-toolkit" / "clips" / "d_f0n49.txt").read_text().startswith("bobby")


def test_a_caption_that_lost_its_trigger_is_left_out_and_named(out: Path) -> None:
    (out / "clips" / "a_f0n49.txt").write_text('A woman says, "one two three four five six".\n')
    assert "without its trigger ema" in refused(one(out, "musubi"))["a_f0n49"]


def test_a_caption_that_has_its_trigger_twice_is_left_out_and_named(out: Path) -> None:
    (out / "clips" / "a_f0n49.txt").write_text('ema, ema says, "one two three four five six".\n')
    assert "with its trigger 2 times" in refused(one(out, "musubi"))["a_f0n49"]


def test_words_that_are_the_trigger_do_not_count() -> None:
    assert times_said('ema speaks. Speech: "ema is my name".', "ema") == 1
    assert times_said('ema ema speaks. Speech: "go".', "ema") == 2
    assert without_trigger("[VISUAL]: ema, a woman speaks.", "ema") == "[VISUAL]: a woman speaks."
    assert without_trigger("cinema ema, a woman", "ema") == "cinema a woman"


# -- heard text ------------------------------------------------------------------------------------------------------


def facts(cut: Cut) -> ClipFacts:
    return ClipFacts(cut.frames, cut.rate, 768, 512, 48_000, round(cut.frames / cut.rate * 48_000))


def clip(cut: Cut, caption: str | None = None, *, by_hand: bool = False) -> Clip:
    text = caption or DRAFTER.draft(cut, None).text
    return Clip(cut.id, "a", cut, Path("a.mp4"), "k", text, by_hand, None, facts(cut))


DRAFTER = Drafter.of(Settings(trigger="ema"))
LTX = trainer("ltx")


def heard(cut: Cut, frames: int, *, by_hand: bool = False) -> Told | Refused:
    window = ltx.window(facts(cut), ltx.Options(parse_buckets(f"768x512x{frames}")))
    return told(clip(cut, by_hand=by_hand), window, LTX, DRAFTER, again=False)


def spaced(*words: tuple[str, float, float]) -> Cut:
    cut = made_cut("a", 121, "ema", start=25)
    line = Line(tuple(Word(text, Span.at(1 + start, 1 + end), speaker="ema") for text, start, end in words), "ema")
    return replace(cut, lines=(line,))


def test_words_behind_the_window_leave_the_caption() -> None:
    answer = heard(spaced(("stay", 0.2, 0.6), ("here", 1.0, 1.9), ("gone", 2.2, 2.8)), 49)
    assert isinstance(answer, Told)
    assert answer.rendered
    assert answer.lost == ("gone",)
    assert spoken_in(answer.caption) == "stay here"
    whole = heard(spaced(("stay", 0.2, 0.6), ("here", 1.0, 1.9)), 49)
    assert isinstance(whole, Told)
    assert not whole.rendered


def test_a_word_that_the_edge_cuts_is_refused_with_its_place() -> None:
    answer = heard(spaced(("stay", 0.2, 0.6), ("cut", 1.8, 2.1)), 49)
    assert answer == Refused('it is heard from 0.00 to 1.96 s, and that cuts "cut" (1.80 to 2.10 s)')


@pytest.mark.parametrize(("end", "kept"), [(1.96 + EDGE, True), (1.96 + EDGE + 0.005, False)])
def test_a_word_may_reach_over_the_edge_as_far_as_its_times_are_off(end: float, kept: bool) -> None:
    assert isinstance(heard(spaced(("word", 1.5, end)), 49), Told) is kept


def test_a_word_that_begins_as_the_window_ends_is_out_of_it() -> None:
    answer = heard(spaced(("stay", 0.2, 0.6), ("late", 1.95, 2.3)), 49)
    assert isinstance(answer, Told)
    assert answer.lost == ("late",)


def test_what_a_person_wrote_is_never_drafted_again() -> None:
    cut = spaced(("stay", 0.2, 0.6), ("gone", 2.2, 2.8))
    refusal = heard(cut, 49, by_hand=True)
    assert isinstance(refusal, Refused)
    assert "written by hand" in refusal.why
    assert "gone" in refusal.why
    assert isinstance(heard(cut, 121, by_hand=True), Told)


def test_stretched_and_drawn_windows_are_refused_in_the_listeners_terms() -> None:
    cut, asked = spaced(("stay", 0.2, 0.6)), trainer("ai-toolkit")
    squeezed = ai_toolkit.window(facts(cut), ai_toolkit.Options(num_frames=97, fps=25, do_audio=True))
    answer = told(clip(cut), squeezed, asked, DRAFTER, again=False)
    assert answer == Refused("its voice plays 1.25x fast, 3.8 semitones up")
    drawn = ai_toolkit.Options(num_frames=49, fps=25, do_audio=True, shrink_video_to_frames=False)
    answer = told(clip(cut), ai_toolkit.window(facts(cut), drawn), asked, DRAFTER, again=False)
    assert isinstance(answer, Refused)
    assert "no caption can hold its words" in answer.why


@given(
    st.lists(st.tuples(st.floats(0, 4), st.floats(0.02, 0.8)), max_size=8),
    st.floats(0, 2),
    st.floats(0, 4.84),
)
def test_a_caption_holds_the_words_inside_and_no_others(
    places: list[tuple[float, float]], start: float, length: float
) -> None:
    cut = spaced(*((f"w{n}", at, at + long) for n, (at, long) in enumerate(sorted(places))))
    if not places:
        cut = replace(cut, lines=())
    window = Window(True, samples=1, start=start, end=start + length)
    inside, outside, split = sorted_words(cut, window)
    assert len(inside) + len(outside) + len(split) == len(places)
    answer = told(clip(cut), window, LTX, DRAFTER, again=False)
    if split:
        assert isinstance(answer, Refused)
    else:
        assert isinstance(answer, Told)
        assert (spoken_in(answer.caption) or "") == " ".join(word.text for word in inside)
        assert answer.caption.startswith("ema")


def test_wan_hears_nothing_and_its_captions_quote_nothing(out: Path) -> None:
    done = one(out, "wan")
    texts = [path.read_text() for path in (out / "wan" / "clips").glob("*.txt")]
    assert len(texts) == done.clips == 4
    assert all(spoken_in(text) is None for text in texts)


def test_ai_toolkits_lost_frames_take_their_words_along(out: Path) -> None:
    # 57 frames at 25 a second are floored to 49: 1.96 s, and "seven" is spoken from 1.76 s on.
    done = one(out, "ai-toolkit")
    assert 'cuts "seven"' in refused(done)["a_f60n57"]
    assert any("--for ai-toolkit" in note for note in done.notes)


# -- split, smoke, stills --------------------------------------------------------------------------------------------


def test_no_recording_is_on_both_sides(out: Path) -> None:
    done = one(out, "ltx", split=0.3)
    rows = {
        side: {
            Path(row["media_path"]).stem.split("_")[0] for row in json.loads((out / "ltx" / f"{side}.json").read_text())
        }
        for side in ("dataset", "validation")
    }
    assert done.validation
    assert not rows["dataset"] & rows["validation"]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_a_split_leaves_something_on_both_sides(sources: list[str], share: float) -> None:
    clips = [replace(clip(made_cut(name, 49, "ema", start=n)), recording=name) for n, name in enumerate(sources)]
    if len(set(sources)) < 2:
        with pytest.raises(UsageError, match="one recording"):
            held_back(clips, share)
        return
    held = held_back(clips, share)
    assert held
    assert held < set(sources)
    assert held == held_back(clips[::-1], share)


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_a_share_that_is_none_is_refused(out: Path, share: float) -> None:
    with pytest.raises(UsageError, match="--split"):
        one(out, "ltx", split=share)


def test_a_first_experiment_is_small_and_has_controls(out: Path) -> None:
    one(out, "ai-toolkit")
    done = one(out, "ai-toolkit", smoke=True)
    assert Path(done.folder).name == "ai-toolkit-smoke"
    assert (out / "ai-toolkit" / "train.yaml").exists()
    process = yaml.safe_load((out / "ai-toolkit-smoke" / "train.yaml").read_text())["config"]["process"][0]
    assert 300 <= process["train"]["steps"] <= 800
    assert process["sample"]["seed"] == 42
    *spoken, control = process["sample"]["prompts"]
    assert len(spoken) == 2
    assert all(times_said(prompt, "ema") == 1 and spoken_in(prompt) for prompt in spoken)
    assert times_said(control, "ema") == 0
    assert spoken_in(control) == spoken_in(spoken[0])
    assert "switched off" in (out / "ai-toolkit-smoke" / "commands.sh").read_text()
    assert [steps_for(n) for n in (1, 5, 10, 50)] == [300, 400, 800, 800]


@pytest.mark.parametrize("still", ["#204060", "picture"])
def test_sound_alone_gets_a_still_picture_on_request(out: Path, tmp_path: Path, still: str) -> None:
    assert "--still" in refused(one(out, "ai-toolkit"))["c_f0n49"]
    if still == "picture":
        import cv2
        import numpy as np

        still = str(tmp_path / "still.png")
        cv2.imwrite(still, np.full((90, 300, 3), (0, 0, 255), dtype=np.uint8))
    done = one(out, "ai-toolkit", still=still)
    assert "c_f0n49" not in refused(done)
    made = out / "ai-toolkit" / "clips" / "c_f0n49.mp4"
    first = made.stat().st_mtime_ns
    assert len(read_sound(made)) >= 49 * 1920
    one(out, "ai-toolkit", still=still)
    assert made.stat().st_mtime_ns == first
    told = one(out, "ai-toolkit", still="white").stale
    assert "c_f0n49" in told[0]


@pytest.mark.parametrize("still", ["nothere.png", "#12345", "puce", __file__])
def test_a_still_that_is_none_is_refused(out: Path, still: str) -> None:
    with pytest.raises(SettingsError, match="--still"):
        one(out, "ai-toolkit", still=still)


# -- what stood there before -----------------------------------------------------------------------------------------


def rewritten(out: Path, id_: str) -> None:
    """The clip as another build leaves it: other content under the same name."""
    with Store(out / ".captioner") as store:
        row = store.written()[id_]
        media = out / "clips" / row.media
        scratch = media.with_suffix(".new")
        scratch.write_bytes(media.read_bytes())
        scratch.replace(media)
        stat = media.stat()
        store.set_written(replace(row, key="another", size=stat.st_size, mtime_ns=stat.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "way"),
    [("ltx", "--overwrite"), ("ai-toolkit", "_latent_cache/a_f0n49_"), ("musubi", "--skip_existing"),
     ("simpletuner", "cache/vae"), ("id-lora", "delete .precomputed")],
)  # fmt: skip
def test_old_caches_are_named_with_the_way_out(name: str, way: str, out: Path) -> None:
    assert one(out, name).stale == ()
    rewritten(out, "a_f0n49")
    told = " ".join(one(out, name).stale)
    assert "a_f0n49" in told
    assert way in told
    linked = next((out / name).rglob("a_f0n49.mp4"))
    assert linked.samefile(out / "clips" / "a_f0n49.mp4")


def test_an_edit_in_the_dataset_goes_out_and_makes_conditions_old(out: Path) -> None:
    one(out, "ltx")
    (out / "clips" / "a_f0n49.txt").write_text('ema, she said. Speech: "one two three four five six".\n')
    told = one(out, "ltx").stale
    assert "another caption (a_f0n49)" in told[0]
    assert "she said" in (out / "ltx" / "dataset.json").read_text()


def test_clips_that_are_gone_leave_the_export_and_are_named(out: Path) -> None:
    one(out, "ltx")
    with Store(out / ".captioner") as store:
        store.unset_written(["b_f0n49"])
    told = one(out, "ltx").stale
    assert ".precomputed/*/clips/b_f0n49.pt" in told[-1]
    assert not (out / "ltx" / "clips" / "b_f0n49.mp4").exists()
    assert (out / "clips" / "b_f0n49.mp4").exists()


def test_an_edit_in_the_export_is_kept_aside_and_told(out: Path) -> None:
    one(out, "ai-toolkit")
    text = out / "ai-toolkit" / "clips" / "a_f0n49.txt"
    text.write_text("mine\n")
    notes = " ".join(one(out, "ai-toolkit").notes)
    assert "changed by hand" in notes
    assert (out / "ai-toolkit" / "replaced" / "clips" / "a_f0n49.txt").read_text() == "mine\n"
    assert text.read_text().startswith("ema")


def test_what_no_export_made_is_left_alone(out: Path) -> None:
    (out / "ltx").mkdir()
    (out / "ltx" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="made by no export"):
        export(out, ["musubi,ltx"], Wish())
    assert not (out / "musubi").exists()


OUTSIDE = '{"version": 1, "clips": {}, "texts": {"../x": "1"}, "media": [], "options": {}}'


@pytest.mark.parametrize("content", ["", "{}", OUTSIDE])
def test_a_damaged_list_is_refused(out: Path, content: str) -> None:
    one(out, "ltx")
    (out / "ltx" / "export.json").write_text(content)
    with pytest.raises(UsageError, match=r"export\.json"):
        one(out, "ltx")


def test_what_a_stopped_run_left_is_known_to_the_next(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ai_toolkit, "files", stop)
        with pytest.raises(KeyboardInterrupt):
            one(out, "ai-toolkit")
    with Store(out / ".captioner") as store:
        store.unset_written(["b_f0n49"])
    assert one(out, "ai-toolkit").stale == ()
    assert sorted(path.stem for path in (out / "ai-toolkit" / "clips").glob("*.mp4")) == ["a_f0n49", "d_f0n49"]


def test_a_picture_beside_the_clips_would_be_trained_and_is_named(out: Path) -> None:
    one(out, "ai-toolkit")
    (out / "ai-toolkit" / "clips" / "thumbnail.jpg").write_bytes(b"")
    (out / "ai-toolkit" / "clips" / "_latent_cache").mkdir()
    notes = " ".join(one(out, "ai-toolkit").notes)
    assert "thumbnail.jpg: put there by no export" in notes
    assert "_latent_cache" not in notes


# -- bad input -------------------------------------------------------------------------------------------------------


def test_replaced_lost_and_unreadable_files_are_left_out_with_the_reason(out: Path) -> None:
    (out / "clips" / "a_f0n49.mp4").write_bytes(b"other")
    (out / "clips" / "b_f0n49.mp4").unlink()
    (out / "clips" / "d_f0n49.txt").write_bytes(b"ema \xff")
    told = refused(one(out, "musubi"))
    assert "not the file that captioner wrote" in told["a_f0n49"]
    assert "is gone" in told["b_f0n49"]
    assert "not UTF-8" in told["d_f0n49"]


def test_the_command_says_what_it_did_and_refuses_what_it_cannot(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(out), "--to", "musubi,srt"]) == 0
    said = capsys.readouterr().out
    assert f"musubi: 5 clips in {out / 'musubi'}" in said
    assert main(["export", str(out), "--to", "ai-toolkit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["refused"]
    assert main(["export", str(out), "--to", "nobody"]) == 2
    assert "textgrid" in capsys.readouterr().err
    assert main(["export", str(tmp_path), "--to", "ltx"]) == 2
    assert main(["export", str(out), "--to", ","]) == 2
    assert main(["export", str(out), "--to", "srt", "--smoke"]) == 2
    assert main(["export", str(out), "--to", "ltx", "--template", "nothere"]) == 2
    assert not (out / "ltx").exists()


# -- TextGrid --------------------------------------------------------------------------------------------------------

labels = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).map(
    lambda text: " ".join(text.split())
)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 500), labels.filter(bool)), max_size=8), labels)
def test_a_textgrid_comes_back(parts: list[tuple[int, int, str]], name: str) -> None:
    intervals, at = [], 0
    for length, gap, label in parts:
        start = at + gap
        at = start + length
        intervals.append((Span.at(start / 1000, at / 1000), label))
    tier = textgrid.Tier(name, tuple(intervals))
    text = textgrid.serialize([tier, textgrid.Tier("empty", ())], at / 1000 + 1)
    assert textgrid.parse(text) == [tier, textgrid.Tier("empty", ())]


def test_praats_short_form_is_read() -> None:
    rows = ['File type = "ooTextFile"', '"TextGrid"', "0", "2.5", "<exists>", "1", '"IntervalTier"', '"w"', "0", "2.5"]
    short = "\n".join([*rows, "2", "0", "1", '""', "1", "2.5", '"go ""on"""'])
    assert textgrid.parse(short) == [textgrid.Tier("w", ((Span(1.0, 2.5), 'go "on"'),))]


@given(st.text(max_size=200) | st.text('"<>exists0123. \nTextGridooFile=', max_size=200))
def test_what_is_no_textgrid_is_refused(text: str) -> None:
    with contextlib.suppress(BadFormat):  # and nothing else
        found = textgrid.parse('File type = "ooTextFile"\nObject class = "TextGrid"\n' + text, "x.TextGrid")
        assert all(isinstance(tier, textgrid.Tier) for tier in found)
    with pytest.raises(BadFormat):
        textgrid.parse("nothing")
