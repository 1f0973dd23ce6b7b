"""The Wan family: configs of its two trainers, whose loaders are rebuilt here, and the rules that hold for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from checking import Kind, Studio, folder_of, found, only, seen
from hypothesis import given
from hypothesis import strategies as st

from captioner.checks.configs import parse_config
from captioner.checks.findings import Severity
from captioner.checks.rules import all_rules
from captioner.checks.running import Request, check
from captioner.checks.view import View
from captioner.errors import UsageError
from captioner.trainers import ai_toolkit, musubi, trainer, wan
from captioner.trainers._files import Bundle, Entry
from captioner.trainers._window import ClipFacts

COMMANDS = (
    "python src/musubi_tuner/wan_cache_latents.py --dataset_config d.toml --vae VAE\n"
    "accelerate launch src/musubi_tuner/wan_train_network.py --dataset_config d.toml --task t2v-14B\n"
)
CAPTION = "ema, a woman walks through a door."


def toml(folder: Path | str, more: str = 'frame_extraction = "full"') -> str:
    return (
        f'[general]\ncaption_extension = ".txt"\n[[datasets]]\nvideo_directory = "{folder}"\n'
        f'cache_directory = "{folder}_cache"\n{more}\n'
    )


def job(folder: Path | str, more: str = "auto_frame_count: true, fps: 16", arch: str = "wan22_14b:t2v") -> str:
    return (
        f"datasets:\n- {{folder_path: '{folder}', caption_ext: txt, {more}}}\n"
        f"trigger_word: ema\nmodel: {{arch: '{arch}'}}\n"
    )


# -- what is read ----------------------------------------------------------------------------------------------------


def test_a_toml_is_wans_where_its_commands_or_a_person_say_so() -> None:
    text = toml("/data/one", "target_frames = [81]\nsource_fps = 24.0")
    wanted = musubi.Options(target_frames=(81,), target_fps=16.0, source_fps=24.0, group=4, upstream=True)
    for asked, scripts in (
        (None, {"run.sh": COMMANDS}), ("wan", {"run.sh": COMMANDS}), ("musubi", {"run.sh": COMMANDS}), ("wan", {}),
    ):  # fmt: skip
        config = parse_config(text, "d.toml", asked, scripts)
        assert (config.trainer, config.through, config.options) == ("wan", "musubi", wanted)
        assert config.faults == ()
    assert parse_config(text, "d.toml").trainer == "musubi"
    ltx = {"run.sh": "python ltx2_cache_latents.py --ltx2_mode av"}
    with pytest.raises(UsageError, match="give --trainer musubi"):
        parse_config(text, "d.toml", "wan", ltx)


def test_a_script_leads_to_wans_dataset_config() -> None:
    config = parse_config(COMMANDS, "run.sh", None, {"run.sh": COMMANDS}, {"d.toml": toml("/data/one")}.get)
    assert (config.trainer, len(config.blocks), config.blocks[0].folders) == ("wan", 1, ("/data/one",))


@pytest.mark.parametrize("asked", [None, "wan", "ai-toolkit"])
def test_a_job_is_wans_by_its_model(asked: str | None) -> None:
    config = parse_config(job("/d"), "train.yaml", asked)
    assert (config.trainer, config.through) == ("wan", "ai-toolkit")
    assert config.options == ai_toolkit.Options(
        auto_frame_count=True, fps=16.0, trigger_word="ema", group=4, arch="wan22_14b:t2v"
    )


def test_a_block_without_a_model_is_wans_where_a_person_says_so() -> None:
    text = "datasets: [{folder_path: /d, auto_frame_count: true}]"
    assert parse_config(text, "t.yaml").trainer == "ai-toolkit"
    assert parse_config(text, "t.yaml", "wan").options.group == 4
    with pytest.raises(UsageError, match="give --trainer ai-toolkit"):
        parse_config(f"{text}\nmodel: {{arch: ltx2.3}}", "t.yaml", "wan")


@pytest.mark.parametrize("field", ["target_fps = 16.0", 'audio_directory = "/a"'])
def test_fields_of_the_ltx_branch_are_refused(field: str) -> None:
    (fault,) = parse_config(toml("/d", f"target_frames = [81]\n{field}"), "d.toml", "wan").faults
    assert (fault.kind, fault.harmless) == ("unknown", False)
    assert "refused" in fault.cost


# -- its loaders, rebuilt --------------------------------------------------------------------------------------------


def decoded_by_the_loader(frames: int, source: float | None, end: int | None) -> list[int]:
    """The frames that musubi's loader keeps, one by one as it decodes them."""
    kept: list[int] = []
    at, before = 0.0, -1
    for number in range(frames):
        place = number if source is None else int(at)
        at += 16.0 / source if source else 0.0
        if source is not None and place == before:
            continue
        before = place
        if end is not None and place >= end:
            break
        kept.append(number)
    return kept


@given(
    st.integers(1, 300), st.sampled_from([Fraction(16), Fraction(24), Fraction(25), Fraction(24000, 1001)]),
    st.sampled_from([None, 16.0, 24.0, 25.0, 30.0, 12.0, 50.0]), st.sampled_from(["full", "head"]),
    st.integers(1, 130),
)  # fmt: skip
def test_musubis_windows_are_those_of_its_loader(
    frames: int, rate: Fraction, source: float | None, extraction: str, wanted: int
) -> None:
    options = musubi.Options(
        target_frames=(wanted,), max_frames=wanted, frame_extraction=extraction, target_fps=16.0, source_fps=source,
        group=4, upstream=True,
    )  # fmt: skip
    made = wan.window(ClipFacts(frames, rate, 64, 64, 48_000, 48_000), options)
    target = (wanted - 1) // 4 * 4 + 1
    kept = decoded_by_the_loader(frames, source, target if extraction == "head" else None)
    count = (min(len(kept), wanted) - 1) // 4 * 4 + 1 if extraction == "full" else target
    assert made.listed is (len(kept) >= count)
    if made.listed:
        assert made.shown == count
        assert made.rate == 16
        assert abs(kept[count - 1] + 1 - made.frames) <= 1 + (source or 16) / 16  # within a frame as the model sees it


@given(st.integers(20, 400), st.sampled_from([Fraction(16), Fraction(24), Fraction(25), Fraction(30)]))
def test_ai_toolkit_floors_to_4k_and_1_at_its_own_fps(frames: int, rate: Fraction) -> None:
    options = ai_toolkit.Options(auto_frame_count=True, fps=16, group=4, do_audio=True, arch="wan22_14b")
    made = wan.window(ClipFacts(frames, rate, 64, 64, 48_000, 48_000), options)
    assert made.shown == max(0, int(frames / float(rate) * 16) - 1) // 4 * 4 + 1
    assert made.samples == 0


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clips(studio: Studio, tmp_path: Path) -> Path:
    return folder_of(
        studio, tmp_path / "clips", {"a": Kind(49, 16, size=(80, 48)), "b": Kind(33, 16, seconds=0, size=(80, 48))},
        CAPTION,
    )  # fmt: skip


def through_musubi(folder: Path, more: str = 'frame_extraction = "full"') -> View:
    (folder.parent / "run.sh").write_text(COMMANDS)
    return seen(folder, config=toml(folder, more), name="d.toml")


def through_ai_toolkit(folder: Path, more: str = "auto_frame_count: true, fps: 16", arch: str = "wan22_14b") -> View:
    return seen(folder, config=job(folder, more, arch))


def test_good_configs_have_nothing_wrong_and_no_rule_of_sound_runs(clips: Path) -> None:
    for view in (through_musubi(clips), through_ai_toolkit(clips)):
        assert view.trainer == "wan"
        assert found(view, *(one for one in all_rules() if one != "C13")) == []
        report = check(Request(clips, trainer="wan", config=view.config, memory=None))
        assert not [one for one in report.ran if all_rules()[one].hears]
        assert {"T01", "T02", "T07", "C08", "P01", "P07"} <= set(report.ran)


def test_t01_frames_beyond_4k_and_1_are_lost(studio: Studio, clips: Path) -> None:
    studio.put(clips / "a.mp4", Kind(51, 16, size=(80, 48)))
    for view in (through_musubi(clips), through_ai_toolkit(clips)):
        told = only(view, "T01")
        assert "51 frames and 49 are trained" in told.found
        assert "not seen" in told.cost
        assert told.severity is Severity.WARNING


def test_t02_short_clips_are_left_out_without_a_word(clips: Path) -> None:
    told = only(through_musubi(clips, "target_frames = [49]"), "T02")
    assert told.file == "b.mp4"
    assert "without a line in the log" in told.found
    assert found(through_musubi(clips, "target_frames = [33]"), "T02") == []


def test_t03_longer_clips_lose_their_end(clips: Path) -> None:
    assert only(through_musubi(clips, "target_frames = [33]"), "T03").file == "a.mp4"
    assert found(through_musubi(clips), "T03") == []


@pytest.mark.parametrize(
    ("more", "told"),
    [("", "has no target_frames"), ("target_frames = 81", "must be a list"), ("target_frames = [33]", None),
     ("target_frames = [33]\nsource_fps = 16", "with its point"), ("target_frames = [33]\nsource_fps = 16.0", None)],
)  # fmt: skip
def test_t06_counts_and_rates_of_the_wrong_kind(clips: Path, more: str, told: str | None) -> None:
    findings = found(through_musubi(clips, more), "T06")
    assert [told in f"{one.found} {one.cost}" for one in findings] == ([True] if told else [])


@pytest.mark.parametrize(
    ("more", "told", "cost"),
    [
        ("", "its 25.000 frames a second are played as 16", "0.64 of its speed: slow motion"),
        ("source_fps = 25.0", None, ""),
        ("source_fps = 50.0", "are taken for 50", "2.00 of its speed: fast motion"),
        ("source_fps = 20.0", "are taken for 20", "0.80 of its speed: slow motion"),
    ],
)
def test_t07_a_rate_that_musubi_is_not_told(
    studio: Studio, clips: Path, more: str, told: str | None, cost: str
) -> None:
    studio.put(clips / "a.mp4", Kind(49, 25))
    (clips / "b.mp4").unlink()
    (clips / "b.txt").unlink()
    findings = found(through_musubi(clips, f'frame_extraction = "full"\n{more}'), "T07")
    assert [told in one.found and cost in one.cost for one in findings] == ([True] if told else [])


@pytest.mark.parametrize(
    ("more", "arch", "faster"),
    [("fps: 16", "wan22_14b", None), ("fps: 24", "wan22_14b", "0.67"), ("num_repeats: 1", "wan21:14b", "0.67"),
     ("fps: 24", "wan22_5b", None), ("fps: 16", "wan22_5b", "1.50")],
)  # fmt: skip
def test_t07_a_dataset_rate_that_is_not_the_models(clips: Path, more: str, arch: str, faster: str | None) -> None:
    findings = found(through_ai_toolkit(clips, f"auto_frame_count: true, {more}", arch), "T07")
    assert [f"{faster} of its speed" in one.cost for one in findings] == ([True] if faster else [])


def test_t07_without_a_config_a_slow_clip_is_told(studio: Studio, tmp_path: Path) -> None:
    folder = folder_of(studio, tmp_path / "clips", {"slow": Kind(33, 12), "fast": Kind(33, 25)}, CAPTION)
    told = only(seen(folder, "wan"), "T07")
    assert (told.file, told.fix) == ("slow.mp4", "make clips of 16 frames a second")


@pytest.mark.parametrize(("rate", "broken"), [(12, True), (16, False), (24, False)])
def test_t08_a_clip_slower_than_16(studio: Studio, tmp_path: Path, rate: int, broken: bool) -> None:
    folder = folder_of(studio, tmp_path / "clips", {"a": Kind(33, rate)}, CAPTION)
    told = found(through_musubi(folder, f'frame_extraction = "full"\nsource_fps = {rate}.0'), "T08")
    assert [("1.33 of its speed: fast" in one.cost) for one in told] == ([True] if broken else [])


def test_t10_num_frames_1_lists_no_video(clips: Path) -> None:
    assert "none of 2 videos" in only(through_ai_toolkit(clips, "num_frames: 1, fps: 16"), "T10").found
    assert found(through_ai_toolkit(clips, "num_frames: 33, fps: 16"), "T10") == []


def test_t09_a_fixed_count_plays_the_picture_at_another_speed(clips: Path) -> None:
    told = only(through_ai_toolkit(clips, "num_frames: 33, fps: 16"), "T09")
    assert told.file == "a.mp4"
    assert "picture plays 1.48x fast" in told.cost
    assert "semitones" not in told.found


@pytest.mark.parametrize(("size", "lines"), [((80, 48), False), ((88, 48), True)])
def test_t17_sides_are_multiples_of_16(studio: Studio, tmp_path: Path, size: tuple[int, int], lines: bool) -> None:
    folder = folder_of(studio, tmp_path / "clips", {"a": Kind(33, 16, size=size)}, CAPTION)
    told = found(through_musubi(folder), "T17")
    assert ["not in multiples of 16" in one.found for one in told] == ([True] if lines else [])


def test_c12_quoted_speech_is_never_heard(clips: Path) -> None:
    (clips / "a.txt").write_text('ema, she says, "Go on."\n')
    told = only(through_musubi(clips), "C12")
    assert "'Go on.'" in told.found
    assert "hears nothing" in told.found
    assert told.severity is Severity.WARNING


def test_c02_musubi_adds_no_trigger(clips: Path) -> None:
    (clips / "a.txt").write_text("A woman walks.\n")
    assert "'ema'" in only(seen(clips, config=toml(clips), name="d.toml", trainer="wan", trigger="ema"), "C02").found


def test_p10_do_audio_does_nothing(clips: Path) -> None:
    assert "do_audio has no effect" in only(
        through_ai_toolkit(clips, "auto_frame_count: true, fps: 16, do_audio: true"), "P10"
    ).found  # fmt: skip


def test_a_dataset_file_without_a_block_is_told_and_nothing_breaks(clips: Path) -> None:
    view = seen(clips, trainer="wan", config="[general]\nbatch_size = 1\n", name="d.toml")
    assert "datasets is not given" in only(view, "P02").found
    assert found(view) != []


@pytest.mark.parametrize("config", ["dataset.toml", "ai-toolkit.yaml"])
def test_what_an_export_writes_has_nothing_wrong(studio: Studio, tmp_path: Path, config: str) -> None:
    """Clips of 16 and of 24 a second: the latter are drawn at 16, which costs pictures and no time."""
    entries = []
    for name, kind in {"a": Kind(49, 16), "b": Kind(33, 16), "c": Kind(74, 24)}.items():
        studio.put(tmp_path / "out" / "clips" / f"{name}.mp4", kind)
        facts = ClipFacts(kind.frames, Fraction(kind.rate), 64, 64)
        entries.append(Entry(name, f"clips/{name}.mp4", f"ema, a woman walks, {name}.", facts, "ema"))
    made = trainer("wan")
    options = made.options_for([one.facts for one in entries])
    for place, text in made.files(Bundle("ema", str(tmp_path / "out"), tuple(entries)), options).items():
        (tmp_path / "out" / place).write_text(text, encoding="utf-8")
    view = seen(tmp_path / "out" / "clips", trainer="wan", config=tmp_path / "out" / config)
    assert len(view.clips) == 3
    assert found(view) == []
    assert all(window.listed for clip in view.clips if (window := view.window(clip)))
