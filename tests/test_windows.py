"""What each trainer's loader was seen to do, reproduced by its window."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from math import log2
from pathlib import Path

import av
import cv2
import pytest
import yaml
from factory import Audio, Video, make, tone

from captioner.errors import SettingsError
from captioner.trainers import ai_toolkit, id_lora, ltx, musubi, simpletuner, trainer, wan
from captioner.trainers._buckets import Bucket, chosen, parse_buckets
from captioner.trainers._files import Bundle, Change, Entry, Prompts
from captioner.trainers._window import ClipFacts

F24, F25, F30 = Fraction(24), Fraction(25), Fraction(30)
FILM = Fraction(24000, 1001)


def clip(frames: int, rate: Fraction, seconds: float | None = None, size: tuple[int, int] = (768, 512)) -> ClipFacts:
    sound = Fraction(frames) / rate if seconds is None else Fraction(str(seconds))
    return ClipFacts(frames, rate, *size, 48_000, round(sound * 48_000))


def silent(frames: int, rate: Fraction) -> ClipFacts:
    return replace(clip(frames, rate), samples=0, sample_rate=0)


def sound(seconds: float) -> ClipFacts:
    return ClipFacts(0, None, sample_rate=48_000, samples=round(seconds * 48_000))


# -- LTX -------------------------------------------------------------------------------------------------------------


def test_ltx_takes_the_nearest_shape_before_the_most_frames() -> None:
    buckets = parse_buckets("960x544x49;512x512x121")
    assert chosen(clip(121, F24, size=(1920, 1080)), buckets) == Bucket(960, 544, 49)
    made = ltx.window(clip(121, F24, size=(1920, 1080)), ltx.Options(buckets))
    assert (made.frames, made.end) == (49, 2.042)
    assert made.losses == (
        "its last 72 frames (3.00 s) are not used",
        "its last 3.00 s of sound are not heard",
    )


@pytest.mark.parametrize(("rate", "least", "seconds"), [(F24, 113, 4.708), (F25, 121, 4.84)])
def test_five_seconds_at_24_are_one_frame_short_of_121(rate: Fraction, least: int, seconds: float) -> None:
    buckets = parse_buckets("768x512x113;768x512x121")
    made = ltx.window(clip(int(5 * rate), rate), ltx.Options(buckets))
    assert (made.frames, made.end) == (least, seconds)


def test_ltx_skips_short_clips_and_drops_silent_ones() -> None:
    options = ltx.Options(parse_buckets("768x512x121"))
    assert ltx.window(clip(113, F25), options).losses == (
        "it has 113 frames and the shortest bucket 121: it is skipped",
    )
    assert not ltx.window(silent(121, F25), options).listed
    assert ltx.window(silent(121, F25), replace(options, skip_audio=True)).listed


def test_ltx_pads_short_sound_and_forgets_its_start_time() -> None:
    options = ltx.Options(parse_buckets("768x512x121"))
    short = ltx.window(clip(121, F25, 4.0), options)
    assert short.silence == pytest.approx(0.84)
    late = ltx.window(replace(clip(121, F25), offset=0.476), options)
    assert late.offset == -0.476
    assert "its sound comes 0.476 s too early" in late.losses


@pytest.mark.parametrize(("rate", "heard", "frames"), [(F24, 4.84, 121), (F30, 4.033, 121), (Fraction(60), 2.017, 121)])
def test_ltx_cuts_an_audio_column_at_25_a_second(rate: Fraction, heard: float, frames: int) -> None:
    options = ltx.Options(parse_buckets("768x512x121"), audio_column=True)
    made = ltx.window(clip(frames, rate), options)
    assert made.end == pytest.approx(heard, abs=0.001)
    assert made.silence == 0
    long = ltx.window(clip(frames, rate, 10), options)
    assert long.end == 4.84


@pytest.mark.parametrize("text", ["", "768x512", "768x512x120", "700x512x121", "axbxc", "768x512x121x1"])
def test_a_bucket_that_its_trainer_refuses_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="bucket"):
        parse_buckets(text)


def test_ltx_takes_sound_alone_at_the_longest_duration_that_fits() -> None:
    options = ltx.Options(audio_durations=(2, 4, 8))
    assert ltx.window(sound(5), options).end == 4.0
    assert not ltx.window(sound(1.9), options).listed
    assert ltx.window(sound(4.84), ltx.options_for([sound(4.84)])).losses == ()


def test_ltx_puts_its_trigger_before_captions_that_have_it() -> None:
    assert ltx.joined("ema, a woman.", "ema", ltx.Options(lora_trigger="ema")) == "ema ema, a woman."


# -- ai-toolkit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "lossy"),
    [(F25, {57, 113, 201}), (Fraction(50), {57, 113, 201}), (FILM, {49, 225, 385}), (F24, set()), (F30, set())],
)
def test_ai_toolkits_floating_point_loses_eight_frames_of_some_counts(rate: Fraction, lossy: set[int]) -> None:
    counts = range(9, 450, 8)
    lost = {n for n in counts if ai_toolkit.counted(n, float(rate), float(rate)) == n - 8}
    assert lost == lossy
    assert {n for n in counts if ai_toolkit.counted(n, float(rate), float(rate)) != n} == lossy
    for count in lossy:
        made = ai_toolkit.window(clip(count, rate), ai_toolkit.Options(auto_frame_count=True, fps=float(rate)))
        assert made.frames == count - 8
        assert "rounding costs 8 frames that would fit" in made.losses


@pytest.mark.parametrize(("rate", "frames"), [(F25, 113), (F30, 89)])
def test_ai_toolkit_counts_at_the_rate_of_the_dataset(rate: Fraction, frames: int) -> None:
    options = ai_toolkit.Options(auto_frame_count=True, do_audio=True)
    made = ai_toolkit.window(clip(121, rate), options)
    assert made.shown == frames
    assert made.end == pytest.approx(frames / 24, abs=0.001)
    assert (made.tempo, made.semitones) == (1.0, 0.0)


def test_ai_toolkit_with_num_frames_ignores_nothing_but_the_count_when_it_counts_itself() -> None:
    posted = ai_toolkit.Options(num_frames=1, auto_frame_count=True, fps=24, do_audio=True)
    assert ai_toolkit.window(clip(193, F24), posted) == ai_toolkit.window(
        clip(193, F24), replace(posted, num_frames=99)
    )
    assert ai_toolkit.window(clip(193, F24), posted).losses == ()


def test_ai_toolkit_lists_no_video_with_its_defaults() -> None:
    made = ai_toolkit.window(clip(121, F25), ai_toolkit.Options())
    assert not made.listed
    assert "num_frames" in made.losses[0]


@pytest.mark.parametrize("seconds", [6, 7.5, 10])
def test_ai_toolkit_spreads_a_fixed_count_over_the_clip_and_the_voice_rises(seconds: float) -> None:
    made = ai_toolkit.window(clip(int(seconds * 24), F24), ai_toolkit.Options(num_frames=121, do_audio=True))
    tempo = seconds / (121 / 24)
    assert made.tempo == pytest.approx(tempo)
    assert made.semitones == pytest.approx(12 * log2(tempo))
    assert (made.start, made.end) == (0, seconds)
    assert f"its voice plays {tempo:.2f}x fast, {12 * log2(tempo):.1f} semitones up" in made.losses
    kept = ai_toolkit.window(
        clip(int(seconds * 24), F24), ai_toolkit.Options(num_frames=121, do_audio=True, audio_preserve_pitch=True)
    )
    assert kept.semitones == 0
    assert kept.tempo == pytest.approx(tempo)


def test_ai_toolkit_stretches_short_clips_in_every_mode() -> None:
    for shrink in (True, False):
        made = ai_toolkit.window(
            clip(97, F24), ai_toolkit.Options(num_frames=121, do_audio=True, shrink_video_to_frames=shrink)
        )
        assert made.tempo == pytest.approx(97 / 121)
        assert made.semitones < 0


def test_ai_toolkit_without_shrinking_draws_another_stretch_each_time() -> None:
    options = ai_toolkit.Options(num_frames=49, do_audio=True, shrink_video_to_frames=False)
    assert not ai_toolkit.window(clip(121, F24), options).certain
    assert ai_toolkit.window(clip(49, F24), options).certain


def test_ai_toolkit_is_silent_unless_told_and_lists_no_sound_alone() -> None:
    made = ai_toolkit.window(clip(121, F24), ai_toolkit.Options(auto_frame_count=True))
    assert (made.samples, made.losses) == (0, ("its sound is not used",))
    assert not ai_toolkit.window(sound(4), ai_toolkit.Options(auto_frame_count=True, do_audio=True)).listed


def test_ai_toolkit_adds_its_trigger_by_substring_and_parts_at_commas() -> None:
    options = ai_toolkit.Options(trigger_word="ema")
    assert ai_toolkit.joined("a woman.", "ema", options) == "ema a woman."
    assert ai_toolkit.joined("in a cinema.", "ema", options) == "in a cinema."
    assert ai_toolkit.joined("[trigger] says 10,000", "ema", options) == "ema says 10, 000"


# -- musubi ----------------------------------------------------------------------------------------------------------


def test_musubi_trains_stills_by_default() -> None:
    assert musubi.window(clip(121, F25), musubi.Options()).shown == 1


def test_musubi_squeezes_the_whole_sound_of_a_long_clip_into_its_head() -> None:
    for target, tempo in ((121, 10 / 4.84), (49, 10 / 1.96)):
        made = musubi.window(clip(250, F25), musubi.Options(target_frames=(target,), mode_av=True))
        assert made.frames == target
        assert (made.start, made.end) == (0, 10)
        assert made.tempo == pytest.approx(tempo)
        assert made.semitones == 0
    both = musubi.windows(clip(250, F25), musubi.Options(target_frames=(49, 121), mode_av=True))
    assert [made.shown for made in both] == [49, 121]


def test_musubi_plays_24_as_25() -> None:
    made = musubi.window(clip(121, F24, 5.056), musubi.Options(target_frames=(121,), mode_av=True))
    assert made.rate == 25
    assert made.tempo == pytest.approx(5.056 / 4.84)
    assert any("24.000 frames a second are played as 25.000" in told for told in made.losses)
    own = musubi.window(clip(121, F24), musubi.Options(target_frames=(121,), mode_av=True, target_fps=24.0))
    assert (own.tempo, own.losses) == (1.0, ())


def test_musubi_rounds_to_4k_and_pads_up_to_8k() -> None:
    made = musubi.window(clip(53, F25), musubi.Options(frame_extraction="full", mode_av=True))
    assert (made.frames, made.shown, made.repeated) == (53, 57, 4)
    assert "its last frame is shown 4 times more" in made.losses


def test_musubi_drops_what_is_shorter_than_a_target_or_too_slow() -> None:
    options = musubi.Options(target_frames=(73,), mode_av=True)
    assert not musubi.window(clip(72, F25), options).listed
    assert not musubi.window(clip(80, Fraction(16)), options).listed
    full = musubi.window(clip(80, Fraction(16)), replace(options, frame_extraction="full"))
    assert full.listed
    assert full.tempo == pytest.approx(5 / (77 / 25) * 77 / 80)


def test_musubi_draws_every_second_frame_of_50_and_keeps_its_time() -> None:
    made = musubi.window(clip(242, Fraction(50)), musubi.Options(target_frames=(121,), mode_av=True))
    assert made.tempo == 1.0
    assert made.end == pytest.approx(4.84, abs=0.001)


def test_musubi_chunks_are_heard_each_in_its_place() -> None:
    made = musubi.windows(clip(121, F25), musubi.Options(target_frames=(33,), frame_extraction="chunk", mode_av=True))
    assert [(one.first, one.start, one.end) for one in made] == [
        (0, 0.0, 1.32), (33, 1.32, 2.64), (66, 2.64, 3.96),
    ]  # fmt: skip


def test_musubi_without_av_hears_nothing() -> None:
    assert musubi.window(clip(121, F25), musubi.Options(target_frames=(121,))).samples == 0


def test_musubis_rates_are_written_as_floats_and_targets_as_lists() -> None:
    import tomllib

    entry = Entry("a", "clips/a.mp4", "ema.", clip(97, F25), "ema")
    slow = Entry("b", "clips/b.mp4", "ema.", clip(121, FILM), "ema")
    only = Entry("c", "clips/c.wav", "ema.", sound(4), "ema")
    made = musubi.files(Bundle("ema", "/out", (entry, slow, only)), musubi.options_for([entry.facts, slow.facts]))
    blocks = tomllib.loads(made["dataset.toml"])["datasets"]
    assert len({block["cache_directory"] for block in blocks}) == 3
    videos = [block for block in blocks if "video_jsonl_file" in block]
    assert all(isinstance(block[key], float) for block in videos for key in ("target_fps", "source_fps"))
    assert [block["target_frames"] for block in videos] == [[121], [97]]
    assert {block["frame_extraction"] for block in videos} == {"full"}
    assert json.loads(made["audio.jsonl"]) == {"audio_path": "/out/clips/c.wav", "caption": "ema."}


@pytest.mark.parametrize(("source", "target"), [(30, 24), (50, 25), (60, 25), (16, 25), (30, 16), (24, 16)])
def test_musubi_takes_the_frames_that_a_loop_over_them_takes(source: int, target: int) -> None:
    for frames in (17, 49, 100, 121, 250):
        shown, due = [], 0.0
        for frame in range(frames):
            if not shown or int(due) != shown[-1][1]:
                shown.append((frame, int(due)))
            due += target / source
        options = musubi.Options(frame_extraction="full", max_frames=1000, target_fps=float(target), mode_av=True)
        made = musubi.window(clip(frames, Fraction(source)), options)
        assert made.shown - made.repeated == (len(shown) - 1) // 4 * 4 + 1


# -- SimpleTuner, ID-LoRA, Wan ---------------------------------------------------------------------------------------


def test_simpletuner_skips_what_is_shorter_than_five_seconds() -> None:
    assert not simpletuner.window(clip(113, F25), simpletuner.Options()).listed
    assert simpletuner.window(clip(125, F25), simpletuner.Options()).frames == 121


def test_simpletuner_plays_24_as_25_without_stretching() -> None:
    made = simpletuner.window(clip(121, F24), simpletuner.Options(audio=True))
    assert made.tempo == 1.0
    assert made.end == 4.84
    assert "its last 0.20 s of sound are not heard" in made.losses
    assert "its 24.000 frames a second are played as 25.000" in made.losses


def test_simpletuner_hears_nothing_without_a_block_and_cuts_sound_alone_to_three_seconds() -> None:
    assert simpletuner.window(clip(125, F25), simpletuner.Options()).samples == 0
    assert simpletuner.window(sound(5), simpletuner.Options(audio=True)).end == 3.0
    own = simpletuner.options_for([clip(121, F25)])
    assert simpletuner.window(sound(4.84), own).losses == ()


def test_id_lora_is_silent_unless_told() -> None:
    assert id_lora.window(clip(121, F25), id_lora.Options()).samples == 0
    assert id_lora.window(clip(121, F25), id_lora.Options(with_audio=True)).end == 4.84
    assert not id_lora.window(clip(97, F25), id_lora.Options()).listed


@pytest.mark.parametrize("through", ["musubi", "ai-toolkit"])
def test_wan_sees_4k_and_hears_nothing(through: str) -> None:
    made = wan.window(clip(79, Fraction(16)), wan.Options(through))
    assert made.shown == 77
    assert made.samples == 0


# -- real clips, opened as loaders open them --------------------------------------------------------------------------


def filmed(folder: Path, frames: int, rate: Fraction, times: list[float] | None = None) -> Path:
    """A clip whose sound lasts a second longer than its picture."""
    seconds = times[-1] + 1.2 if times else float(frames / rate) + 1
    video = Video(frames=frames, rate=rate, size=(64, 64), times=times)
    return make(folder / f"{frames}_{float(rate):g}.mp4", video, Audio(tone(200, seconds, 48_000)))


def decoded(path: Path) -> tuple[int, Fraction, int]:
    """Frames, average rate and samples, as PyAV gives them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames, rate = sum(1 for _ in container.decode(stream)), stream.average_rate
    with av.open(str(path)) as container:
        return frames, Fraction(rate), sum(frame.samples for frame in container.decode(audio=0))


@pytest.mark.parametrize(
    "rate", [F24, F25, F30, FILM, None], ids=lambda rate: "vfr" if rate is None else f"{float(rate):g}"
)
@pytest.mark.parametrize("frames", [48, 49, 57, 60, 73])
def test_windows_are_what_loaders_rebuilt_from_their_contracts_take(
    tmp_path: Path, rate: Fraction | None, frames: int
) -> None:
    uneven = [n * 0.04 + (0.015 if n % 3 else 0.0) for n in range(frames)] if rate is None else None
    path = filmed(tmp_path, frames, rate or F25, uneven)
    count, average, samples = decoded(path)
    assert count == frames
    facts = ClipFacts(count, average, 64, 64, 48_000, samples, variable=rate is None)

    made = ltx.window(facts, ltx.Options(parse_buckets("64x64x49;64x64x57")))
    first = max((most for most in (49, 57) if most <= count), default=0)
    assert made.frames == first
    assert made.samples == (round(Fraction(first) / average * 48_000) if first else 0)

    film = cv2.VideoCapture(str(path))
    length = film.get(cv2.CAP_PROP_FRAME_COUNT) / film.get(cv2.CAP_PROP_FPS)
    film.release()
    for fps in (24.0, 25.0, float(average)):
        taken = (int(length * fps) - 1) // 8 * 8 + 1
        made = ai_toolkit.window(facts, ai_toolkit.Options(auto_frame_count=True, do_audio=True, fps=fps))
        assert made.shown == taken
        assert made.samples == pytest.approx(taken / fps * 48_000, abs=1)

    made = simpletuner.window(facts, simpletuner.Options(audio=True, num_frames=57, min_frames=9))
    assert made.shown == (min(count, 57) - 1) // 8 * 8 + 1
    assert made.samples == round(made.shown / 25 * 48_000)


# -- files -----------------------------------------------------------------------------------------------------------


def bundle(**more: object) -> Bundle:
    entries = tuple(
        Entry(f"take_f{n}n121", f"clips/take_f{n}n121.mp4", f'ema, a woman says, "Go {n}."', clip(121, F25), "ema")
        for n in range(2)
    )
    return replace(Bundle("ema", "/data/out/x", entries, trigger="ema"), **more)  # type: ignore[arg-type]


def test_ltx_metadata_is_relative_and_its_commands_do_not_double_the_trigger() -> None:
    options = ltx.options_for([entry.facts for entry in bundle().training])
    made = ltx.files(bundle(), options)
    rows = json.loads(made["dataset.json"])
    assert rows[0] == {"caption": 'ema, a woman says, "Go 0."', "media_path": "clips/take_f0n121.mp4"}
    commands = [line for line in made["commands.sh"].splitlines() if line.startswith("uv")]
    assert '--resolution-buckets "768x512x121"' in commands[0]
    assert not any("--lora-trigger" in line for line in commands)
    left = ltx.files(bundle(), ltx.with_trigger(options, "ema"))["commands.sh"]
    assert "--lora-trigger ema" in left
    config = yaml.safe_load(made["train.yaml"])
    assert config["training_strategy"]["audio"]["is_generated"] is True


def test_ai_toolkits_job_counts_frames_itself_and_hears() -> None:
    options = ai_toolkit.options_for([entry.facts for entry in bundle().training])
    made = ai_toolkit.files(bundle(prompts=Prompts(("ema says hi",), "says hi"), smoke=True, steps=300), options)
    process = yaml.safe_load(made["train.yaml"])["config"]["process"][0]
    block = process["datasets"][0]
    assert (block["auto_frame_count"], block["do_audio"], block["fps"], block["caption_ext"]) == (True, True, 25, "txt")
    assert "num_frames" not in block
    assert process["trigger_word"] == "ema"
    assert process["train"]["steps"] == 300
    assert process["sample"]["prompts"] == ["ema says hi", "says hi"]
    assert made["clips/take_f1n121.txt"] == 'ema, a woman says, "Go 1."\n'
    assert "switched off" in made["commands.sh"]


def test_speakers_with_triggers_of_their_own_leave_ai_toolkits_empty() -> None:
    made = ai_toolkit.files(bundle(trigger=None), ai_toolkit.options_for([clip(121, F25)]))
    assert "trigger_word" not in yaml.safe_load(made["train.yaml"])["config"]["process"][0]


def test_simpletuner_names_counts_sound_and_no_split() -> None:
    made = simpletuner.files(bundle(), simpletuner.options_for([clip(121, F25), clip(49, F25)]))
    video, text = json.loads(made["multidatabackend.json"])
    assert video["video"]["num_frames"] == 121
    assert video["video"]["min_frames"] == 49
    assert video["audio"]["channels"] == 2
    assert video["disable_multiline_split"] is True
    assert video["prepend_instance_prompt"] is False
    assert text["dataset_type"] == "text_embeds"
    assert "--framerate=25" in made["commands.sh"]


def test_clips_that_are_gone_still_train_and_are_named() -> None:
    change = Change(gone=("old_f0n121",), places={"old_f0n121": "clips/old_f0n121.mp4"})
    assert ".precomputed/*/clips/old_f0n121.pt" in ltx.stale(change)[0]


def test_an_unknown_trainer_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean musubi"):
        trainer("musubbi")
