"""T01 to T18: each rule over made clips that break it by one step, and over clips that do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from checking import Kind, Studio, folder_of, found, only, said, seen

from captioner.checks.findings import Severity
from captioner.checks.rules import all_rules
from captioner.checks.view import View

FILM = Fraction(24000, 1001)

AIT = "datasets: [{{folder_path: '{folder}', caption_ext: txt, do_audio: true, {more}}}]\ntrigger_word: ema\n"
AUTO = "auto_frame_count: true, fps: 25"


class Shop:
    """Folders of clips with configs, for one test."""

    def __init__(self, studio: Studio, root: Path) -> None:
        self.studio, self.root, self.made = studio, root, 0

    def folder(self, **clips: Kind) -> Path:
        self.made += 1
        return folder_of(self.studio, self.root / f"set{self.made}" / "clips", clips)

    def ait(self, more: str = AUTO, **clips: Kind) -> View:
        folder = self.folder(**clips)
        return seen(folder, config=AIT.format(folder=folder, more=more))

    def musubi(self, more: str, flags: str = "--ltx2_mode av", **clips: Kind) -> View:
        folder = self.folder(**clips)
        (folder.parent / "run.sh").write_text(f"python ltx2_cache_latents.py --dataset_config d.toml {flags}\n")
        head = f'[[datasets]]\nvideo_directory = "{folder}"\ncaption_extension = ".txt"\n'
        return seen(folder, config=f"{head}{more}\n", name="d.toml")

    def ltx(self, buckets: str, more: str = "", training: str | None = None, **clips: Kind) -> View:
        folder = self.folder(**clips)
        rows = [
            f'{{"caption": "ema, she says hi.", "media_path": "{name}{kind.suffix}"}}' for name, kind in clips.items()
        ]
        (folder / "dataset.json").write_text(f"[{', '.join(rows)}]")
        command = f'python process_dataset.py dataset.json --resolution-buckets "{buckets}" {more}\n'
        (folder / "prepare.sh").write_text(command)
        config = folder / "prepare.sh"
        if training is not None:
            config = folder / "train.yaml"
            config.write_text(training)
        return seen(folder / "dataset.json", "ltx", config=config)

    def st(self, video: str, rate: str = "25", **clips: Kind) -> View:
        folder = self.folder(**clips)
        (folder.parent / "config.json").write_text(f'{{"--framerate": {rate}}}')
        text = (
            f'[{{"id": "a", "type": "local", "dataset_type": "video", "instance_data_dir": "{folder}", '
            f'"caption_strategy": "textfile", "video": {{{video}}}, "audio": {{"channels": 2}}}}]'
        )
        return seen(folder, config=text, name="multidatabackend.json")


@pytest.fixture
def shop(studio: Studio, tmp_path: Path) -> Shop:
    return Shop(studio, tmp_path)


def ids(view: View) -> set[str]:
    return {one.rule for one in found(view)}


# -- T01, T03, T11, T18: frames that are not used --------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "broken"), [(120, True), (122, True), (121, False)])
def test_t01_without_a_trainer_any_other_count_than_8k_1_is_told(shop: Shop, frames: int, broken: bool) -> None:
    view = seen(shop.folder(a=Kind(frames)))
    assert ("T01" in ids(view)) is broken


@pytest.mark.parametrize(("frames", "lost"), [(120, 7), (122, 1), (128, 7), (121, 0), (129, 0)])
def test_t01_says_frames_and_seconds(shop: Shop, frames: int, lost: int) -> None:
    view = shop.ait(a=Kind(frames))
    told = found(view, "T01")
    assert len(told) == (1 if lost else 0)
    if lost:
        assert (f"its last {lost} frames (" if lost > 1 else "its last frame (") in told[0].found
        assert f"({lost / 25:.2f} s)" in told[0].found


def test_t01_names_the_words_that_are_not_heard_and_knows_when_none_are(shop: Shop) -> None:
    view = shop.ait(a=Kind(128))
    clip = view.clips[0]
    lost = only(replace(view, clips=(replace(clip, words=said(("Stay", 1, 2), ("gone", 4.9, 5.1))),)), "T01")
    assert lost.severity is Severity.ERROR
    assert 'with the word "gone", are not heard' in lost.cost
    kept = only(replace(view, clips=(replace(clip, words=said(("Stay", 1, 2), ("here", 4.5, 4.86))),)), "T01")
    assert kept.severity is Severity.WARNING
    assert "nothing is said there" in kept.cost


@pytest.mark.parametrize(("frames", "shown"), [(53, 57), (57, 57), (49, 49)])
def test_t01_musubi_repeats_the_last_frame(shop: Shop, frames: int, shown: int) -> None:
    view = shop.musubi('target_frames = [121]\nframe_extraction = "full"', a=Kind(frames))
    told = found(view, "T01")
    assert [f"make {shown}" in one.found for one in told] == ([True] if frames % 8 == 5 else [])


@pytest.mark.parametrize(("frames", "broken"), [(48, True), (49, False)])
def test_t02_ltx_skips_what_fills_no_bucket(shop: Shop, frames: int, broken: bool) -> None:
    assert ("T02" in ids(shop.ltx("64x64x49;64x64x121", a=Kind(frames), b=Kind(121)))) is broken


@pytest.mark.parametrize(("frames", "broken"), [(120, True), (121, False)])
def test_t02_simpletuner_skips_what_is_shorter_than_five_seconds(shop: Shop, frames: int, broken: bool) -> None:
    assert ("T02" in ids(shop.st("", a=Kind(frames)))) is broken


@pytest.mark.parametrize(("frames", "broken"), [(72, True), (73, False)])
def test_t02_musubi_drops_short_clips_without_a_word(shop: Shop, frames: int, broken: bool) -> None:
    told = found(shop.musubi("target_frames = [73]", a=Kind(frames)), "T02")
    assert len(told) == int(broken)
    assert all("without a line in the log" in one.found for one in told)


@pytest.mark.parametrize(("frames", "rule"), [(121, None), (124, "T01"), (129, "T03")])
def test_t03_names_what_lies_behind_the_bucket(shop: Shop, frames: int, rule: str | None) -> None:
    view = shop.ltx("64x64x121", a=Kind(frames))
    assert {"T01", "T03"} & ids(view) == ({rule} if rule else set())
    if rule == "T03":
        words = said(("stay", 1, 2), ("behind", 4.9, 5.1))
        told = only(replace(view, clips=tuple(replace(one, words=words) for one in view.clips)), "T03")
        assert 'the last 0.32 s, with the word "behind", are not heard' in told.cost


@pytest.mark.parametrize(
    ("frames", "rate", "broken"), [(57, 25, True), (65, 25, False), (57, 24, False), (49, FILM, True)]
)
def test_t11_floating_point_loses_eight_frames(shop: Shop, frames: int, rate: Fraction | int, broken: bool) -> None:
    fps = float(rate) if isinstance(rate, Fraction) else rate
    view = shop.ait(f"auto_frame_count: true, fps: {fps!r}", a=Kind(frames, rate))
    told = found(view, "T11")
    assert len(told) == int(broken)
    assert all(f"{frames} would fit, and {frames - 8} are trained" in one.found for one in told)
    assert "T01" not in ids(view)


def test_t18_is_silent_where_one_frame_more_keeps_none(shop: Shop) -> None:
    """201 frames of 25 a second are 192 at 24, which are floored to as many as those of 200."""
    assert found(shop.ait(AUTO.replace("fps: 25", "fps: 24"), a=Kind(200, 25)), "T18") == []
    assert found(shop.ait(a=Kind(200, 25)), "T18") == []  # 201 of 25 lose eight frames again
    assert len(found(shop.ait(AUTO.replace("fps: 25", "fps: 24"), a=Kind(120, 24)), "T18")) == 1


@pytest.mark.parametrize(
    ("frames", "rate", "broken"), [(120, 24, True), (121, 24, False), (112, 24, False), (200, 25, True)]
)
def test_t18_whole_seconds_are_one_frame_short(shop: Shop, frames: int, rate: int, broken: bool) -> None:
    assert ("T18" in ids(seen(shop.folder(a=Kind(frames, rate))))) is broken


# -- T04 to T09: rates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "broken"), [(250, True), (121, False), (122, False)])
def test_t04_musubi_squeezes_a_long_clips_sound_into_its_head(shop: Shop, frames: int, broken: bool) -> None:
    told = found(shop.musubi("target_frames = [121]", a=Kind(frames)), "T04")
    assert len(told) == int(broken)
    if broken:
        assert "2.07x" in told[0].found  # 10 s of sound in 4.84 s
        assert "plays 2.07x fast" in told[0].cost


@pytest.mark.parametrize("extraction", ["full", "chunk"])
def test_t04_full_and_chunk_are_right(shop: Shop, extraction: str) -> None:
    view = shop.musubi(f'target_frames = [121]\nmax_frames = 300\nframe_extraction = "{extraction}"', a=Kind(249))
    assert "T04" not in ids(view)


@pytest.mark.parametrize(
    ("more", "broken"),
    [
        ("target_frames = [1, 17, 33, 49]", True), ("target_frames = [49]", False),
        ('target_frames = [49]\nframe_extraction = "chunk"', True),
        ('target_frames = [49]\nframe_extraction = "full"', False),
    ],
)  # fmt: skip
def test_t05_one_transcript_for_several_pieces(shop: Shop, more: str, broken: bool) -> None:
    assert ("T05" in ids(shop.musubi(more, a=Kind(121)))) is broken


def test_t05_says_how_many(shop: Shop) -> None:
    told = only(shop.musubi("target_frames = [1, 17, 33, 49]", a=Kind(49)), "T05")
    assert "makes 4 items of a.mp4" in told.found
    assert told.line == 4


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("", 1), ("target_frames = 121", 4), ("target_frames = [121]\ntarget_fps = 25", 5),
        ("target_frames = [121]\nsource_fps = 25", 5), ("target_frames = [121.5]", 4),
    ],
)  # fmt: skip
def test_t06_musubis_counts_and_rates(shop: Shop, more: str, line: int) -> None:
    told = only(shop.musubi(more, a=Kind(121)), "T06")
    assert told.line == line
    if not more:
        assert "one still picture each" in told.cost


def test_t06_is_content_with_lists_and_floats(shop: Shop) -> None:
    view = shop.musubi("target_frames = [121]\ntarget_fps = 25.0\nsource_fps = 25.0", a=Kind(121))
    assert found(view, "T06") == []


def test_t07_a_block_of_several_rates_is_to_be_parted(shop: Shop) -> None:
    mixed = found(shop.ait(a=Kind(121, 25), b=Kind(121, 30), c=Kind(121, 24)), "T07")
    assert {one.fix for one in mixed} == {"a folder and a dataset block for each rate, with its fps (24, 25, 30)"}
    (one,) = found(shop.ait(a=Kind(121, 30)), "T07")
    assert one.fix == "fps: 30 in the dataset block"


def test_t07_of_several_rates_in_a_block_names_no_single_one(shop: Shop) -> None:
    several = {"a": Kind(121, 24), "b": Kind(121, 30)}
    told = found(shop.st('"num_frames": 121', **several), "T07")
    assert {one.fix for one in told} == {"clips of one rate: there is one --framerate for all (24, 30)"}
    (one,) = found(shop.musubi("target_frames = [121]", **several), "T07")
    assert one.fix == "a folder and a block for each rate, with its target_fps (24, 30)"
    (one,) = found(shop.musubi("target_frames = [121]", a=several["a"]), "T07")
    assert one.fix == "target_fps = 24.0"


def test_t04_names_the_longest_of_several_items(shop: Shop) -> None:
    told = found(shop.musubi("target_frames = [1, 17, 49]", a=Kind(121, 25)), "T04")
    assert ["49 of its 121 frames are used" in one.found for one in told] == [True]


def test_t07_musubi_plays_24_as_25_and_says_how_fast(shop: Shop) -> None:
    view = shop.musubi('frame_extraction = "full"\ntarget_frames = [121]', a=Kind(121, 24))
    told = only(view, "T07")
    assert "24.000 frames a second are played as 25" in told.found
    assert "voice plays 1.04x fast" in told.cost
    own = shop.musubi('frame_extraction = "full"\ntarget_frames = [121]\ntarget_fps = 24.0', a=Kind(121, 24))
    assert found(own, "T07") == []
    assert "T07" not in ids(shop.musubi('frame_extraction = "full"\ntarget_frames = [121]', a=Kind(121, 30)))


def test_t07_simpletuner_lets_lips_drift(shop: Shop) -> None:
    told = only(shop.st('"num_frames": 121, "min_frames": 121', a=Kind(121, 24)), "T07")
    assert "drift apart by 0.20 s" in told.cost
    assert found(shop.st('"num_frames": 121, "min_frames": 121', rate="24", a=Kind(121, 24)), "T07") == []


def test_t07_ai_toolkit_draws_frames_anew(shop: Shop) -> None:
    told = only(shop.ait("auto_frame_count: true, fps: 24", a=Kind(121, 30)), "T07")
    assert "of 121 frames 89 are made" in told.found
    assert told.severity is Severity.WARNING


@pytest.mark.parametrize(("rate", "broken"), [(16, True), (Fraction(47, 2), True), (24, False), (25, False)])
def test_t08_slower_than_the_target(shop: Shop, rate: Fraction | int, broken: bool) -> None:
    # 23.5 is rounded up to 24, which is near enough: T07 says that.
    view = shop.musubi('frame_extraction = "full"\ntarget_frames = [73]', a=Kind(81, rate))
    assert ("T08" in ids(view)) is (rate == 16)
    assert broken is bool({"T07", "T08"} & ids(view)) or rate == 24


def test_t08_says_that_a_clip_is_left_out(shop: Shop) -> None:
    told = only(shop.musubi("target_frames = [73]", a=Kind(80, 16), b=Kind(73)), "T08")
    assert "left out without a line in the log" in told.cost


@pytest.mark.parametrize(("frames", "broken"), [(121, False), (122, False), (123, True), (119, True), (145, True)])
def test_t09_a_fixed_count_stretches(shop: Shop, frames: int, broken: bool) -> None:
    view = shop.ait("num_frames: 121, fps: 25", a=Kind(frames))
    told = found(view, "T09")
    assert len(told) == int(broken)
    if frames == 145:
        assert "tempo 1.198, +3.1 semitones" in told[0].found
        assert told[0].cost == "this clip's voice plays 1.20x fast, 3.1 semitones up"
    if frames == 119:
        assert "down" in told[0].cost


def test_t09_a_tail_that_is_not_trimmed_stretches_too(shop: Shop) -> None:
    kind = Kind(128)
    more = "auto_frame_count: true, fps: 25, trim_auto_frame_count_tail: false"
    assert "T09" in ids(shop.ait(more, a=kind))
    assert "T09" not in ids(shop.ait(a=kind))


def test_t10_num_frames_1_lists_no_video(shop: Shop) -> None:
    assert "none of 1 video is listed at all" in only(shop.ait("fps: 25", a=Kind(121)), "T10").found
    assert "T10" in ids(shop.ait("num_frames: 1", a=Kind(121)))
    assert "T10" not in ids(shop.ait("num_frames: 9", a=Kind(121)))
    assert "T10" not in ids(shop.ait("num_frames: 1, auto_frame_count: true", a=Kind(121)))


@pytest.mark.parametrize(("frames", "broken"), [(121, True), (50, True), (49, False)])
def test_t12_a_random_start_and_a_fixed_transcript(shop: Shop, frames: int, broken: bool) -> None:
    view = shop.ait("num_frames: 49, shrink_video_to_frames: false, fps: 25", a=Kind(frames))
    assert ("T12" in ids(view)) is broken


# -- T13 to T17: pictures --------------------------------------------------------------------------------------------


def test_t13_a_rate_that_varies(shop: Shop) -> None:
    assert "frame rate varies" in only(seen(shop.folder(a=Kind(49, uneven=True))), "T13").found
    assert "T13" not in ids(seen(shop.folder(a=Kind(49))))


def test_t13_a_file_that_promises_more_than_it_holds(shop: Shop) -> None:
    folder = shop.folder(a=Kind(121, size=(128, 128)))
    whole = (folder / "a.mp4").read_bytes()
    assert found(seen(folder), "T13") == []
    moov = whole.index(b"moov") - 4
    cut = whole.index(b"mdat") + 4
    assert moov > cut  # the index stands behind the data: put it before, and cut the data
    head, data, index = whole[: cut - 8], whole[cut - 8 : moov], whole[moov:]
    (folder / "a.mp4").write_bytes(_moved(head, index, data)[: len(whole) - len(data) // 2])
    told = only(seen(folder), "T13")
    assert "promises 121 frames and holds" in told.found


def _moved(head: bytes, index: bytes, data: bytes) -> bytes:
    """The same file with its index before its data: offsets of chunks move by the index's length."""
    import struct

    made = bytearray(index)
    at = 0
    while (at := made.find(b"stco", at + 1)) > 0:
        (count,) = struct.unpack_from(">I", made, at + 8)
        for n in range(count):
            (offset,) = struct.unpack_from(">I", made, at + 12 + 4 * n)
            struct.pack_into(">I", made, at + 12 + 4 * n, offset + len(index))
    return head + bytes(made) + data


@pytest.mark.parametrize("trainer", ["ltx", "id-lora", "musubi", "ai-toolkit", None])
def test_t14_a_phones_portrait(shop: Shop, trainer: str | None) -> None:
    folder = shop.folder(a=Kind(49, rotation=90), b=Kind(49))
    (folder / "dataset.json").write_text(
        '[{"caption": "a", "media_path": "a.mp4"}, {"caption": "b", "media_path": "b.mp4"}]'
    )
    told = found(seen(folder, trainer), "T14")
    assert [one.file for one in told] == ([] if trainer == "ai-toolkit" else ["a.mp4"])
    if trainer == "ltx":
        assert told[0].severity is Severity.ERROR


def test_t15_shape_wins_over_length(shop: Shop) -> None:
    wide = Kind(121, size=(128, 64))
    told = only(shop.ltx("128x64x49;64x64x121", a=wide), "T15")
    assert "128x64x49" in told.found
    assert "are not heard" in told.cost
    assert "T15" not in ids(shop.ltx("128x64x121;64x64x121", a=wide))


BATCH = "model: {{model_path: m}}\ndata: {{preprocessed_data_root: .precomputed}}\n" + (
    "training_strategy: {{name: flexible, audio: {{is_generated: true}}}}\noptimization: {{batch_size: {size}}}\n"
)


@pytest.mark.parametrize(("size", "broken"), [(1, False), (2, True)])
def test_t15_and_t16_batches_hold_one_bucket_and_one_rate(shop: Shop, size: int, broken: bool) -> None:
    training = BATCH.format(size=size)
    several = shop.ltx("64x64x49;64x64x121", training=training, a=Kind(121), b=Kind(49))
    assert ("T15" in ids(several)) is broken
    mixed = shop.ltx("64x64x121", training=training, a=Kind(121), b=Kind(121, 24))
    assert ("T16" in ids(mixed)) is broken
    assert "T16" not in ids(shop.ltx("64x64x121", training=training, a=Kind(121), b=Kind(121)))


@pytest.mark.parametrize(("size", "told"), [((96, 64), "cuts 33%"), ((64, 96), "above and below"), ((70, 64), None)])
def test_t17_what_a_bucket_cuts_off(shop: Shop, size: tuple[int, int], told: str | None) -> None:
    findings = found(shop.ltx("64x64x49", a=Kind(49, size=size)), "T17")
    assert [told in one.found for one in findings] == ([True] if told else [])


@pytest.mark.parametrize(("size", "broken"), [((48, 48), True), ((64, 64), False), ((62, 62), False)])
def test_t17_what_a_bucket_enlarges(shop: Shop, size: tuple[int, int], broken: bool) -> None:
    findings = found(shop.ltx("64x64x49", a=Kind(49, size=size)), "T17")
    assert any("enlarges" in one.found for one in findings) is broken


def test_t17_sides_that_are_no_multiples_of_32(shop: Shop) -> None:
    told = only(seen(shop.folder(a=Kind(49, size=(80, 64)))), "T17")
    assert (told.severity, "64 x 64" in told.fix) == (Severity.INFO, True)


# -- thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("rules_time_picture", "MOST_CROP", 0.9), ("rules_time_picture", "MOST_GROWTH", 2.0),
        ("rules_time_rates", "SAME_TEMPO", 0.5),
    ],
)  # fmt: skip
def test_thresholds_are_what_the_tests_above_rest_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, module: str, name: str, value: float
) -> None:
    from importlib import import_module

    cases = {
        "MOST_CROP": lambda: shop.ltx("64x64x49", a=Kind(49, size=(96, 64))),
        "MOST_GROWTH": lambda: shop.ltx("64x64x49", a=Kind(49, size=(48, 48))),
        "SAME_TEMPO": lambda: shop.ait("num_frames: 121, fps: 25", a=Kind(145)),
    }
    view = cases[name]()
    before = {one.rule for one in found(view)} & {"T17", "T09"}
    assert before
    monkeypatch.setattr(import_module(f"captioner.checks.{module}"), name, value)
    assert not {one.rule for one in found(view)} & before


def test_every_rule_of_time_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8").lower()
    assert all(f"test_{one.lower()}" in text or f"and_{one.lower()}" in text for one in all_rules() if one[0] == "T")
