"""The block that was posted, over 27 made clips; and the configs that an export writes, which have nothing wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log2
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
import yaml
from checking import Kind, Studio, found, said, seen

from captioner.checks.findings import Finding, Severity
from captioner.checks.rules import all_rules
from captioner.checks.view import View
from captioner.drafting import Drafter
from captioner.exporting.export import export
from captioner.exporting.work import Wish
from captioner.settings import Settings
from captioner.store import ClipRow, Store, WrittenRow, pack
from captioner.trainers import ai_toolkit
from captioner.trainers._window import ClipFacts
from captioner.types import Cut, Line

POSTED = """\
trigger_word: ""
datasets:
  - folder_path: "{folder}"
    caption_ext: "txt"
    caption_dropout_rate: 0.05
    num_frames: 1
    auto_frame_count: true
    shrink_video_to_frames: true
    fps: 24
    do_audio: true
    resolution: [512, 768]
model:
  arch: ltx2.3
  quantize: true
  quantize_te: true
"""
TAIL = ("from", "the", "beginning")
RATES = (Fraction(24), Fraction(25), Fraction(30))
SECONDS = [6 + 4 * n / 26 for n in range(27)]


@dataclass(frozen=True)
class Posted:
    folder: Path
    kinds: dict[str, Kind]
    words: dict[str, Any]


@pytest.fixture(scope="session")
def posted(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Posted:
    """27 clips of 6 to 10 s at 24, 25 and 30 a second; each says "from the beginning" in its last second."""
    folder = tmp_path_factory.mktemp("posted") / "clips"
    kinds, words = {}, {}
    for number, seconds in enumerate(SECONDS):
        rate = RATES[number % 3]
        name = f"clip{number:02d}"
        kinds[name] = Kind(frames=round(seconds * rate), rate=rate, size=(64, 64), channels=1)
        path = studio.put(folder / f"{name}.mp4", kinds[name])
        opening = ("A woman speaks", "In a room she talks", "Near a window, calmly")[number % 3]
        path.with_suffix(".txt").write_text(f'{opening}. Speech: "Again from the beginning." Sounds: speech.\n')
        end = kinds[name].length
        words[name] = said(
            ("Again", end - 2, end - 1.2), ("from", end - 0.9, end - 0.6), ("the", end - 0.6, end - 0.4),
            ("beginning.", end - 0.4, end - 0.01),
        )  # fmt: skip
    return Posted(folder, kinds, words)


def as_posted(posted: Posted, **changes: str) -> View:
    text = POSTED.format(folder=posted.folder)
    for key, value in changes.items():
        text = re.sub(rf"(?m)^(\s*{key}:).*$", rf"\1 {value}", text)
    return seen(posted.folder, config=text, name=f"{'_'.join(changes) or 'posted'}.yaml", words=posted.words)


def about(findings: list[Finding], clip: str) -> list[Finding]:
    return [one for one in findings if one.file == f"{clip}.mp4"]


def taken_by_the_loader(path: Path, fps: float) -> tuple[int, float]:
    """ai-toolkit's automatic count, rebuilt from its contract on the file itself: (frames, seconds of sound)."""
    film = cv2.VideoCapture(str(path))
    length = film.get(cv2.CAP_PROP_FRAME_COUNT) / film.get(cv2.CAP_PROP_FPS)
    film.release()
    frames = max(0, int(length * fps) - 1) // 8 * 8 + 1
    return frames, frames / fps


def decoded(path: Path) -> ClipFacts:
    """What is really in a file, by decoding all of it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames, rate = sum(1 for _ in container.decode(stream)), Fraction(stream.average_rate)
    with av.open(str(path)) as container:
        return ClipFacts(frames, rate, 64, 64, 48_000, sum(one.samples for one in container.decode(audio=0)))


def test_as_posted_every_clip_is_told_what_it_loses_and_no_voice_is_stretched(posted: Posted) -> None:
    view = as_posted(posted)
    findings = found(view)
    lossy = 0
    for name, kind in posted.kinds.items():
        frames, seconds = taken_by_the_loader(posted.folder / f"{name}.mp4", 24)
        window = view.window(view.by_name[f"{name}.mp4"])
        assert window is not None
        assert window.shown == frames
        assert window.end == pytest.approx(seconds, abs=0.001)
        behind = kind.frames - min(kind.frames, round(frames / 24 * kind.rate))
        told = [one for one in about(findings, name) if one.rule in ("T01", "T11")]
        if not behind:
            assert told == [], name
            continue
        lossy += 1
        assert len(told) == 1
        assert f"it has {kind.frames} frames and {frames} are trained" in told[0].found
        assert (f"its last {behind} frames (" if behind > 1 else "its last frame (") in told[0].found
        assert f"({behind / float(kind.rate):.2f} s)" in told[0].found
        lost = re.search(r"the last ([\d.]+) s", told[0].cost)
        assert lost
        assert float(lost[1]) == pytest.approx(kind.length - seconds, abs=0.006)
        gone = [word.text for word in posted.words[name] if word.span.end > seconds + 0.02]
        assert f'"{" ".join(gone)}"' in told[0].cost if gone else "nothing is said" in told[0].cost
        assert "are not heard" in told[0].cost
    assert lossy >= 20
    text = " ".join(f"{one.found} {one.cost}" for one in findings)
    assert "plays" not in text
    assert "semitones" not in text
    assert not {"T09", "T10", "T12"} & {one.rule for one in findings}


def test_as_posted_the_empty_trigger_is_named_with_its_line(posted: Posted) -> None:
    told = [one for one in found(as_posted(posted)) if "trigger_word is empty" in one.found]
    assert [(one.severity, one.line) for one in told] == [(Severity.ERROR, 1)]


def test_as_posted_num_frames_is_said_to_be_ignored(posted: Posted) -> None:
    told = [one for one in found(as_posted(posted)) if "num_frames" in one.found]
    assert len(told) == 1
    assert told[0].severity is Severity.INFO
    assert told[0].line == 6
    assert "ignored" in told[0].found
    assert "auto_frame_count" in told[0].found


def test_without_auto_frame_count_no_video_is_listed_at_all(posted: Posted) -> None:
    view = as_posted(posted, auto_frame_count="false")
    told = [one for one in found(view) if one.rule == "T10"]
    assert len(told) == 1
    assert "none of 27 videos is listed at all" in told[0].found
    assert told[0].line == 6
    assert all(not window.listed for clip in view.clips if (window := view.window(clip)))


def test_with_a_fixed_count_each_clip_is_told_its_tempo_and_semitones(posted: Posted) -> None:
    view = as_posted(posted, auto_frame_count="false", num_frames="121")
    told = [one for one in found(view) if one.rule == "T09"]
    assert len(told) == 27
    for name, kind in posted.kinds.items():
        (one,) = about(told, name)
        tempo = kind.length / (121 / 24)  # the sound is resampled to num_frames / fps
        ratio = re.search(r"tempo ([\d.]+),", one.found)
        assert ratio
        assert float(ratio[1]) == pytest.approx(tempo, abs=0.0015)
        facts = decoded(posted.folder / f"{name}.mp4")  # the codec pads by less than a frame of its own
        assert float(facts.sound) / (121 / 24) == pytest.approx(tempo, rel=0.01)
        pitch = re.search(r"([+-][\d.]+) semitones", one.found)
        assert pitch
        assert float(pitch[1]) == pytest.approx(12 * log2(tempo), abs=0.06)
        told_so = re.fullmatch(r"this clip's voice plays ([\d.]+)x fast, ([\d.]+) semitones up", one.cost)
        assert told_so
        assert float(told_so[1]) == pytest.approx(tempo, abs=0.006)
        assert float(told_so[2]) == pytest.approx(12 * log2(tempo), abs=0.06)


@pytest.mark.parametrize(
    "changes", [{}, {"auto_frame_count": "false"}, {"auto_frame_count": "false", "num_frames": "121"}]
)
def test_nobody_blames_quantisation(posted: Posted, changes: dict[str, str]) -> None:
    text = " ".join(f"{one.found} {one.cost} {one.fix}" for one in found(as_posted(posted, **changes)))
    assert "quanti" not in text.lower()


# -- what an export writes -------------------------------------------------------------------------------------------

CONFIGS = {
    "ltx": ("train.yaml", "commands.sh"), "ai-toolkit": ("train.yaml", "dataset.yaml"),
    "musubi": ("dataset.toml", "commands.sh"), "simpletuner": ("multidatabackend.json", "commands.sh"),
    "id-lora": ("dataset.csv", "commands.sh"),
}  # fmt: skip
EXACT = (145, 161, 193, 225, 241)
"""8k+1 frames, of 6 to 10 s at 24 a second."""


@dataclass(frozen=True)
class Export:
    root: Path
    files: dict[str, str]
    main: str
    words: dict[str, Any]

    def view(self) -> View:
        listing = {"dataset.csv": self.root / "dataset.csv"}
        metadata = self.root / "dataset.json"
        folder = self.root if self.main == "dataset.toml" else self.root / "clips"
        dataset = listing.get(self.main) or (metadata if metadata.exists() else folder)
        return seen(dataset, config=self.root / self.main, words=self.words, trigger="ema")


@pytest.fixture(scope="session")
def exports(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Export]:
    """27 clips as a build leaves them, exported to every trainer."""
    out = tmp_path_factory.mktemp("built") / "out"
    words = _built(studio, out)
    done = export(out, list(CONFIGS), Wish())
    assert [(one.target, one.clips, one.refused) for one in done] == [(name, 27, ()) for name in CONFIGS]
    made = {}
    for name, (main, *others) in CONFIGS.items():
        files = {file: (out / name / file).read_text(encoding="utf-8") for file in (main, *others)}
        made[name] = Export(out / name, files, main, words)
    return made


def _built(studio: Studio, out: Path) -> dict[str, Any]:
    """A dataset's clips, captions and store, as a build writes them; the words by clip, with times in it."""
    held = Settings.model_validate({"trigger": "ema"})
    drafter, words = Drafter.of(held), {}
    with Store(out / ".captioner") as store:
        store.set_meta("settings", json.dumps(held.model_dump(mode="json", exclude_defaults=True)))
        for number in range(27):
            kind = Kind(frames=EXACT[number % 5], rate=24, size=(64, 64))
            own = said(("Go", 0.5, 1.0), (f"{number}.", kind.length - 1, kind.length - 0.2))
            line = Line(tuple(replace(word, speaker="ema") for word in own), "ema")
            cut = Cut(f"take{number:02d}", 0, kind.frames, Fraction(24), (line,))
            caption = drafter.draft(cut, None)
            source = f"take{number:02d}.mp4"
            store.replace_clips(source, [ClipRow(cut.id, source, 0, pack(cut), pack(caption))])
            media = studio.put(out / "clips" / f"{cut.id}.mp4", kind)
            media.with_suffix(".txt").write_text(f"{caption.text}\n", encoding="utf-8")
            stat = media.stat()
            store.set_written(
                WrittenRow(cut.id, f"k {cut.id}", media.name, stat.st_size, stat.st_mtime_ns, caption.text, 0)
            )
            words[cut.id] = own
    return words


@pytest.mark.parametrize("name", CONFIGS)
def test_what_an_export_writes_has_nothing_wrong(exports: dict[str, Export], name: str) -> None:
    view = exports[name].view()
    assert view.trainer == name
    assert len(view.clips) == 27
    assert found(view) == []
    assert all(window.losses == () for clip in view.clips if (window := view.window(clip)))


BAD: dict[type, Any] = {bool: "maybe", int: "many", float: "fast", str: 17, list: 3, dict: "nothing"}
"""A value of another kind."""


def spots(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every field of a config."""
    found_ = [place] if place and not isinstance(place[-1], int) else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found_ += spots(part, (*place, key))
    return found_


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    made = dict(value) if isinstance(value, dict) else list(value)
    made[place[0]] = put(value[place[0]], place[1:], new)
    return made


def _loaded(export: Export) -> Any:
    import tomllib

    text = export.files[export.main]
    return {"yaml": yaml.safe_load, "json": json.loads, "toml": tomllib.loads}[export.main.rpartition(".")[2]](text)


def as_toml(value: dict[str, Any]) -> str:
    lines = ["[general]", *(f"{key} = {json.dumps(one)}" for key, one in value["general"].items())] if isinstance(
        value["general"], dict
    ) else [f"general = {json.dumps(value['general'])}"]  # fmt: skip
    if not isinstance(value["datasets"], list):
        return "\n".join([f"datasets = {json.dumps(value['datasets'])}", *lines])
    for block in value["datasets"]:
        lines += ["[[datasets]]", *(f"{key} = {json.dumps(one)}" for key, one in block.items())]
    return "\n".join(lines)


WRITERS: dict[str, Callable[[Any], str]] = {"yaml": yaml.safe_dump, "json": json.dumps, "toml": as_toml}

FREE = {"meta", "name", "version", "performance_log_every"}
"""Fields of ai-toolkit's `meta` block, which nobody reads."""


@pytest.mark.parametrize("name", ["ltx", "ai-toolkit", "musubi", "simpletuner"])
def test_any_field_of_an_export_with_a_bad_value_brings_a_finding_back(exports: dict[str, Export], name: str) -> None:
    export = exports[name]
    good = _loaded(export)
    view = export.view()
    path = export.root / export.main
    ending = export.main.rpartition(".")[2]
    quiet = []
    try:
        for place in spots(good):
            if "meta" in place[:-1]:
                continue
            bad = BAD[type(at(good, place))]
            path.write_text(WRITERS[ending](put(good, place, bad)), encoding="utf-8")
            if not _findings_again(view, path):
                quiet.append(".".join(map(str, place)))
    finally:
        path.write_text(export.files[export.main], encoding="utf-8")
    assert quiet == []


def _findings_again(view: View, path: Path) -> list[Finding]:
    """What is found with the config as it is now; the clips are looked at once."""
    from captioner.checks.configs import read_config
    from captioner.errors import CaptionerError

    try:
        config = read_config(path, view.trainer)
    except CaptionerError as error:
        return [Finding("config", Severity.ERROR, str(path), str(error))]
    return found(replace(view, config=config))


MEANT: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("ai-toolkit", ("fps",), 25, "T07"),
    ("ai-toolkit", ("fps",), 30, "T07"),
    ("ai-toolkit", ("auto_frame_count",), False, "T10"),
    ("ai-toolkit", ("do_audio",), False, "A11"),
    ("ai-toolkit", ("caption_ext",), "caption", "P04"),
    ("ai-toolkit", ("caption_dropout_rate",), 0.9, "P05"),
    ("ai-toolkit", ("shuffle_tokens",), True, "C07"),
    ("ai-toolkit", ("folder_path",), "/somewhere/else", "P07"),
    ("ai-toolkit", ("^", "trigger_word"), "another", "P03"),
    ("ai-toolkit", ("^", "trigger_word"), "", "P03"),
    ("ai-toolkit", ("^", "train", "audio_loss_multiplier"), 0.0, "P08"),
    ("ai-toolkit", ("^", "train", "lr"), 1.0, "P02"),
    ("musubi", ("target_frames",), [49], "T03"),
    ("musubi", ("target_frames",), [49, 121], "T05"),
    ("musubi", ("target_frames",), 121, "T06"),
    ("musubi", ("target_fps",), 25.0, "T07"),
    ("musubi", ("target_fps",), 30.0, "T08"),
    ("musubi", ("target_fps",), 24, "T06"),
    ("musubi", ("source_fps",), 25.0, "T07"),
    ("musubi", ("max_frames",), 97, "T03"),
    ("musubi", ("frame_extraction",), "head", "T02"),
    ("musubi", ("frame_extraction",), "haed", "P02"),
    ("simpletuner", ("video", "num_frames"), 121, "T03"),
    ("simpletuner", ("video", "min_frames"), 241, "T02"),
    ("simpletuner", ("audio", "channels"), 1, "A08"),
    ("simpletuner", ("audio", "auto_split"), False, "A08"),
    ("simpletuner", ("caption_strategy",), "filename", "C09"),
    ("simpletuner", ("instance_data_dir",), "/somewhere/else", "P07"),
    ("ltx", ("lora", "target_modules"), ["attn1.to_k"], "P06"),
    ("ltx", ("optimization", "batch_size"), 2, "T15"),
    ("ltx", ("training_strategy", "audio", "is_generated"), False, "P08"),
    ("ltx", ("data", "preprocessed_data_root"), "/somewhere/else", "P07"),
    ("ltx", ("validation", "generate_audio"), False, "P08"),
]


@pytest.mark.parametrize(("name", "place", "value", "rule"), MEANT)
def test_a_harmful_value_of_an_export_brings_its_rule_back(
    exports: dict[str, Export], name: str, place: tuple[Any, ...], value: Any, rule: str
) -> None:
    export = exports[name]
    good = _loaded(export)
    base: tuple[Any, ...] = {
        "ai-toolkit": ("config", "process", 0, "datasets", 0), "musubi": ("datasets", 0), "simpletuner": (0,),
        "ltx": (),
    }[name]  # fmt: skip
    full = (*base[:3], *place[1:]) if place[0] == "^" else (*base, *place)
    view = export.view()
    path = export.root / export.main
    changed = put(good, full, value)
    if (name, place) == ("musubi", ("target_frames",)) and value == [49]:
        changed = put(put(changed, ("datasets", 0, "max_frames"), 49), ("datasets", 0, "frame_extraction"), "full")
    if value == [49, 121]:
        changed = put(changed, ("datasets", 0, "frame_extraction"), "head")
    try:
        path.write_text(WRITERS[export.main.rpartition(".")[2]](changed), encoding="utf-8")
        assert rule in {one.rule for one in _findings_again(view, path)}
    finally:
        path.write_text(export.files[export.main], encoding="utf-8")


FLAGS: list[tuple[str, str, str, str]] = [
    ("ltx", '--resolution-buckets "64x64x145', '--resolution-buckets "64x64x144', "P02"),
    ("ltx", '--resolution-buckets "64x64x145;', '--resolution-buckets "', "T02"),
    ("ltx", ";64x64x241", "", "T03"),
    ("ltx", "--overwrite", "--overwrite --skip-audio", "P08"),
    ("ltx", "--overwrite", "--overwrite --lora-trigger ema", "C01"),
    ("ltx", "--overwrite", "--overwrite --resolution-bucket 1", "P01"),
    ("musubi", "--ltx2_mode av", "", "A09"),
    ("musubi", "--ltx2_mode av", "--ltx2_mode video", "A09"),
    ("musubi", "--gemma_root GEMMA", "--gemma_root GEMMA --ltx2_audio_source audio_files", "A10"),
    ("simpletuner", "--framerate=24", "--framerate=25", "T07"),
    ("simpletuner", "--framerate=24", "--framerate=fast", "P02"),
    ("simpletuner", "--caption_dropout_probability=0.05", "--caption_dropout_probability=0.8", "P05"),
    ("simpletuner", "--train_batch_size=1", "--train_batch_size=none", "P02"),
    ("id-lora", "--with-audio", "", "A12"),
    ("id-lora", "--reference-column reference", "", "A12"),
    ("id-lora", '--resolution-buckets "64x64x145;', '--resolution-buckets "', "T02"),
]


@pytest.mark.parametrize(("name", "old", "new", "rule"), FLAGS)
def test_a_harmful_flag_brings_its_rule_back(
    exports: dict[str, Export], name: str, old: str, new: str, rule: str
) -> None:
    export = exports[name]
    view = export.view()
    path = export.root / "commands.sh"
    text = export.files["commands.sh"]
    assert old in text
    try:
        path.write_text(text.replace(old, new), encoding="utf-8")
        assert rule in {one.rule for one in _findings_again(view, export.root / export.main)}
    finally:
        path.write_text(text, encoding="utf-8")


def test_a_loader_rebuilt_from_its_contract_agrees_with_an_exports_windows(exports: dict[str, Export]) -> None:
    view = exports["ai-toolkit"].view()
    for clip in view.clips:
        frames, seconds = taken_by_the_loader(clip.path, 24.0)
        window = view.window(clip)
        assert window is not None
        facts = decoded(clip.path)
        assert (window.shown, window.frames) == (frames, facts.frames)
        assert window.end == pytest.approx(seconds, abs=0.001)
        assert ai_toolkit.window(facts, view.options_of(clip)).shown == frames


def test_all_rules_of_time_sound_and_configs_are_there() -> None:
    ids = set(all_rules())
    assert {f"T{n:02d}" for n in range(1, 19)} <= ids
    assert {f"A{n:02d}" for n in range(1, 14)} <= ids
