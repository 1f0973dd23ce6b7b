from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner import cli
from captioner.checks.findings import Severity
from captioner.checks.lora import LoraReport, as_text, check_lora
from captioner.checks.lora_keys import read_key
from captioner.checks.lora_trained import Sound
from captioner.checks.safetensors import MOST_HEADER, read_header
from captioner.errors import BadFormat
from tests.lora_files import (
    ATTENTION,
    AUDIO,
    CROSS,
    FEED,
    KOHYA,
    VIDEO,
    Tensors,
    encoded,
    lokr,
    lora,
    modules,
    picture_only,
    sound_alone,
    write,
)

ALL = modules()


def checked(tmp_path: Path, tensors: Tensors, metadata: dict[str, str] | None = None, *must: str) -> LoraReport:
    return check_lora(write(tmp_path / "a.safetensors", tensors, metadata), must)


def rules(report: LoraReport) -> set[str]:
    return {one.rule for one in report.findings}


def ignoring(report: LoraReport) -> set[str]:
    return {one.loader for one in report.ignored}


FORMS: dict[str, tuple[Callable[[], Tensors], dict[str, str], str, Sound, set[str]]] = {
    "ltx": (lambda: lora(modules(feed=())), {}, "LTX trainer", Sound.TRAINED, set()),
    "ai-toolkit": (lambda: lora(ALL), {"software": '{"name": "ai-toolkit"}'}, "ai-toolkit", Sound.TRAINED, set()),
    "musubi": (lambda: lora(ALL, prefix="lora_unet_model_", spelling=KOHYA, alpha=8), {}, "musubi",
               Sound.TRAINED, {"ComfyUI", "ltx-pipelines", "Diffusers"}),
    "musubi-comfy": (lambda: lora(ALL), {"ss_ltx_version": "2.3"}, "musubi", Sound.TRAINED, set()),
    "simpletuner": (lambda: lora(ALL, prefix="transformer."), {}, "SimpleTuner", Sound.TRAINED,
                    {"ComfyUI", "ltx-pipelines"}),
    "simpletuner-comfy": (lambda: lora(ALL, alpha=8), {}, "SimpleTuner", Sound.TRAINED, {"Diffusers"}),
    "peft": (lambda: lora(ALL, prefix="base_model.model."), {}, "PEFT", Sound.TRAINED,
             {"ComfyUI", "ltx-pipelines", "Diffusers"}),
    "kohya": (lambda: lora(ALL, prefix="lora_unet_", spelling=KOHYA, alpha=8), {}, "kohya", Sound.TRAINED,
              {"ltx-pipelines", "Diffusers"}),
    "lokr": (lambda: lokr(ALL), {}, "LyCORIS", Sound.UNKNOWN, {"ComfyUI", "ltx-pipelines", "Diffusers"}),
    "extracted": (lambda: lora(ALL, spelling=KOHYA), {}, "unknown maker", Sound.UNKNOWN,
                  {"ltx-pipelines", "Diffusers"}),
    "id-lora": (lambda: lora(modules(AUDIO + CROSS, FEED[2:])), {}, "ID-LoRA", Sound.TRAINED, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_known_by_its_keys(tmp_path: Path, name: str) -> None:
    make, metadata, trainer, sound, left = FORMS[name]
    report = checked(tmp_path, make(), metadata)
    assert trainer in report.trainer
    assert report.verdict.sound is sound
    assert ignoring(report) == left
    assert report.blocks == (0, 1, 47)
    wanted = {"audio", "audio-to-video", "video-to-audio"} | ({"video"} if name != "id-lora" else set())
    assert set(report.families) == wanted
    if name != "lokr":
        assert report.ranks == (8,)


def test_a_good_file_takes_two_lines_and_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "good.safetensors", lora(ALL), {"trained_words": '["ema_voice"]'})
    assert cli.main(["check-lora", str(path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2
    assert "rank 8" in told[0]
    assert "audio was trained" in told[0]
    assert "blocks 0-1, 47" in told[0]
    assert "ComfyUI, ltx-pipelines and Diffusers" in told[1]
    assert "ema_voice" in told[1]


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64", "F8_E4M3", "F8_E5M2"])
def test_sound_that_was_never_trained_is_found_in_every_dtype(tmp_path: Path, dtype: str) -> None:
    never = checked(tmp_path, lora(ALL, zero=picture_only, dtype=dtype))
    assert never.verdict.sound is Sound.NEVER
    assert [one.severity for one in never.findings if one.rule == "L01"] == [Severity.ERROR]
    assert checked(tmp_path, lora(ALL, dtype=dtype)).verdict.sound is Sound.TRAINED


def test_minus_zero_is_zero_and_one_value_is_not(tmp_path: Path) -> None:
    tensors = lora(ALL, zero=picture_only, dtype="F32")
    name = "diffusion_model.transformer_blocks.47.audio_ff.net.2.lora_B.weight"
    dtype, shape, data = tensors[name]
    tensors[name] = (dtype, shape, struct.pack("<f", -0.0) * (len(data) // 4))
    assert checked(tmp_path, tensors).verdict.sound is Sound.NEVER
    tensors[name] = (dtype, shape, data[:-4] + struct.pack("<f", 1e-40))
    assert checked(tmp_path, tensors).verdict.sound is Sound.TRAINED


RUNS: dict[str, tuple[Callable[[], Tensors], Sound]] = {
    "picture alone": (lambda: lora(ALL, zero=lambda name: "audio" in name), Sound.NEVER),
    "sound alone": (lambda: lora(ALL, zero=sound_alone), Sound.TRAINED),
    "sound alone, without audio_ff": (lambda: lora(modules(feed=()), zero=sound_alone), Sound.TRAINED),
    "no audio_ff, picture only": (lambda: lora(modules(feed=()), zero=picture_only), Sound.NEVER),
    "no v2a, picture only": (lambda: lora(modules(VIDEO + AUDIO), zero=picture_only), Sound.NEVER),
    "no v2a": (lambda: lora(modules(VIDEO + AUDIO)), Sound.TRAINED),
    "only lower blocks": (lambda: lora(modules(blocks=(0, 46))), Sound.UNKNOWN),
    "audio_attn alone": (lambda: lora(modules(AUDIO, ())), Sound.UNKNOWN),
    "audio_attn alone, zero": (lambda: lora(modules(AUDIO, ()), zero=lambda _: True), Sound.NEVER),
    "audio_attn with a zero a2v": (
        lambda: lora(modules((*AUDIO, "audio_to_video_attn"), ()), zero=lambda name: "to_video" in name),
        Sound.TRAINED),
    "no sound at all": (lambda: lora(modules(VIDEO, FEED[:2])), Sound.ABSENT),
    "audio_proj_out": (lambda: lora([*modules(AUDIO, (), (0,)), "audio_proj_out"]), Sound.TRAINED),
    "of another model": (lambda: lora(["blocks.0.self_attn.q"]), Sound.UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_the_last_block_tells_how_it_was_trained(tmp_path: Path, run: str) -> None:
    make, sound = RUNS[run]
    report = checked(tmp_path, make())
    assert report.verdict.sound is sound
    assert ("L01" in rules(report)) == (sound in {Sound.NEVER, Sound.ABSENT})


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_an_extraction_is_known_by_its_right_angles(tmp_path: Path, dtype: str) -> None:
    tensors = lora(ALL, dtype=dtype)
    left, _, _ = np.linalg.svd(np.random.default_rng(1).normal(size=(64, 64)))
    for name, (_, shape, _) in tensors.items():
        if name.endswith("lora_B.weight"):
            tensors[name] = (dtype, shape, encoded(np.ascontiguousarray(left[:, :8]) * 0.1, dtype))
    report = checked(tmp_path, tensors)
    assert report.verdict.sound is Sound.UNKNOWN
    assert "right angles" in report.verdict.why


@pytest.mark.parametrize(
    "metadata", [{"ss_training_comment": "extracted by SVD"}, {"init_lora_weights": "pissa"}, {"merge_ratio": "0.5"}]
)
def test_metadata_tells_of_another_beginning(tmp_path: Path, metadata: dict[str, str]) -> None:
    assert checked(tmp_path, lora(ALL), metadata).verdict.sound is Sound.UNKNOWN
    assert checked(tmp_path, lora(ALL), {"caption": "paths that merge"}).verdict.sound is Sound.TRAINED


def test_values_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    tensors = lora(ALL, dtype="F32")
    name = "diffusion_model.transformer_blocks.47.audio_ff.net.2.lora_B.weight"
    dtype, shape, data = tensors[name]
    tensors[name] = (dtype, shape, struct.pack("<f", float("nan")) + data[4:])
    report = checked(tmp_path, tensors)
    assert report.verdict.sound is Sound.BROKEN
    assert [one.severity for one in report.findings if one.rule == "L01"] == [Severity.ERROR]


def severities(report: LoraReport, rule: str) -> set[Severity]:
    return {one.severity for one in report.findings if one.rule == rule}


def test_a_loader_that_must_do_makes_an_error_of_a_warning(tmp_path: Path) -> None:
    tensors = lora(ALL, prefix="transformer.")
    assert severities(checked(tmp_path, tensors), "L02") == {Severity.WARNING}
    assert severities(checked(tmp_path, tensors, None, "ComfyUI"), "L02") == {Severity.ERROR}
    assert severities(checked(tmp_path, tensors, None, "Diffusers"), "L02") == set()
    native = checked(tmp_path, lora(ALL, prefix="lora_unet_model_", spelling=KOHYA, alpha=8))
    assert severities(native, "L02") == {Severity.ERROR}
    assert any(".comfy" in one.fix for one in native.findings)


def test_diffusers_names_do_not_load_in_comfyui(tmp_path: Path) -> None:
    report = checked(tmp_path, lora([*ALL, "audio_proj_in"]))
    assert ignoring(report) == {"ComfyUI", "ltx-pipelines"}
    assert {one.modules for one in report.ignored} == {1}
    assert ignoring(checked(tmp_path, lora([*ALL, "audio_patchify_proj"]))) == set()
    assert ignoring(checked(tmp_path, lora([*ALL, "audio_patchify_proj"], prefix="transformer."))) == {
        "ComfyUI", "ltx-pipelines", "Diffusers"}  # fmt: skip


def test_connectors_load_in_comfyui_only(tmp_path: Path) -> None:
    name = "audio_embeddings_connector.transformer_1d_blocks.0.attn1.to_q"
    report = checked(tmp_path, lora([*ALL, name]))
    assert report.families["connectors"] == 1
    assert ignoring(report) == {"ltx-pipelines", "Diffusers"}


def test_alpha_in_the_file_is_ignored_by_ltx_pipelines(tmp_path: Path) -> None:
    halved = checked(tmp_path, lora(ALL, alpha=4))
    told = [one for one in halved.findings if one.rule == "L03"]
    assert len(told) == 1
    assert "strength 0.5" in told[0].fix
    assert "2 times" in told[0].cost
    assert "L03" not in rules(checked(tmp_path, lora(ALL, alpha=8)))
    assert "L03" not in rules(checked(tmp_path, lora(ALL, alpha=4), None, "ComfyUI"))


def test_alpha_that_only_the_config_knows_changes_the_strength(tmp_path: Path) -> None:
    config = tmp_path / "training_config.yaml"
    config.write_text("lora:\n  rank: 8\n  alpha: 16\n")
    told = [one for one in checked(tmp_path, lora(ALL)).findings if one.rule == "L03"]
    assert len(told) == 1
    assert "strength 2" in told[0].fix
    config.write_text("lora:\n  rank: 8\n  alpha: 8\n")
    assert "L03" not in rules(checked(tmp_path, lora(ALL)))
    config.write_text("{{{[[not yaml")
    assert "L03" not in rules(checked(tmp_path, lora(ALL)))
    config.unlink()
    assert "L03" in rules(checked(tmp_path, lora(ALL), {"ss_network_alpha": "4", "ss_network_dim": "8"}))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"trained_words": '["ema", "leo"]'}, ("ema", "leo")),
        ({"trigger_word": "ema"}, ("ema",)),
        ({"ss_tag_frequency": '{"5_ema": {"ema": 9, "a woman": 4}}'}, ("ema",)),
        ({"ss_tag_frequency": '{"5_ema": {"ema": 1}}'}, ()),
        ({"ss_tag_frequency": "[[[["}, ()),
        ({}, ()),
    ],
)
def test_triggers_come_from_the_metadata(tmp_path: Path, metadata: dict[str, str], words: tuple[str, ...]) -> None:
    report = checked(tmp_path, lora(ALL), metadata)
    assert report.triggers == words
    assert severities(report, "L04") == {Severity.INFO}


@pytest.mark.parametrize(
    ("name", "family", "block"),
    [
        ("diffusion_model.transformer_blocks.3.audio_attn1.to_q.lora_A.weight", "audio", 3),
        ("lora_unet_model_transformer_blocks_31_attn1_to_q.alpha", "video", 31),
        ("transformer.transformer_blocks.0.video_to_audio_attn.to_out.0.lora_B.default.weight", "video-to-audio", 0),
        ("transformer.audio_time_embed.linear.lora_A.weight", "audio", None),
        ("text_embedding_projection.aggregate_embed.lora_A.weight", "text", None),
        ("lora_unet_embeddings_connector_transformer_1d_blocks_0_attn1_to_q.lora_up.weight", "connectors", None),
        ("diffusion_model.blocks.0.self_attn.q.lora_A.weight", "other", None),
        ("lora_unet_transformer_blocks_2_ff_net_0_proj.lora_down.weight", "video", 2),
        ("lora_unet_transformer_blocks_2_audio_ff_net_0_proj.lora_down.weight", "audio", 2),
    ],
)
def test_names_are_read_by_the_atlas(name: str, family: str, block: int | None) -> None:
    key = read_key(name)
    assert (key.family, key.block) == (family, block)


def test_several_files_silencing_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.safetensors", lora(ALL))
    never = write(tmp_path / "never.safetensors", lora(ALL, zero=picture_only))
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"PK\x03\x04" + bytes(99))
    assert cli.main(["check-lora", "--json", str(junk), str(good), str(never)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [Path(one["file"]).name for one in told["files"]] == [
        "junk.safetensors",
        "good.safetensors",
        "never.safetensors",
    ]
    assert "pickle" in told["files"][0]["error"]
    assert told["files"][2]["sound"] == "never"
    assert told["counts"]["error"] == 1
    assert told["counts"]["unreadable"] == 1
    assert cli.main(["check-lora", str(never)]) == 1
    assert cli.main(["check-lora", str(never), "--silence", "l01=the picture is all we want"]) == 0
    assert "the picture is all we want" in capsys.readouterr().out
    assert cli.main(["check-lora", str(never), "--silence", "L01"]) == 2
    assert cli.main(["check-lora", str(tmp_path / "none.safetensors")]) == 2


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    report = checked(tmp_path, lora(ALL), {"trigger": "\x1b[2Jema"})
    assert "\x1b" not in as_text(report)


def raw(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


ONE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
FOUR = bytes(4)
BAD = {
    "empty": b"",
    "length of 2**63": raw(b"{}", length=2**63),
    "header longer than the file": raw(ONE, FOUR, 10**6),
    "no json": raw(b"{x}"),
    "list": raw(b"[]"),
    "deep": raw(b"[" * 10**6),
    "deep objects": raw(b'{"a":' * 10**5),
    "deep shape": raw(ONE.replace(b"[1]", b"[" * 9999 + b"]" * 9999), FOUR),
    "nan shape": raw(ONE.replace(b"[1]", b"[NaN]"), FOUR),
    "float shape": raw(ONE.replace(b"[1]", b"[1e3]"), FOUR),
    "negative shape": raw(ONE.replace(b"[1]", b"[-1]"), FOUR),
    "huge number": raw(ONE.replace(b"[1]", b"[" + b"9" * 10**5 + b"]"), FOUR),
    "huge product": raw(ONE.replace(b"[1]", b"[9999999999999999999,9999999999999999999]"), FOUR),
    "many dimensions": raw(ONE.replace(b"[1]", b"[" + b"1," * 9999 + b"1]"), FOUR),
    "invalid utf-8": raw(ONE.replace(b'"a"', b'"\xff"'), FOUR),
    "lone surrogate": raw(ONE.replace(b'"a"', b'"\\ud800"'), FOUR),
    "unknown dtype": raw(ONE.replace(b"F32", b"F33"), FOUR),
    "no dtype": raw(b'{"a":{"shape":[1],"data_offsets":[0,4]}}', FOUR),
    "cut data": raw(ONE, bytes(3)),
    "bytes left": raw(ONE, bytes(5)),
    "wrong size": raw(ONE.replace(b"[1]", b"[2]"), FOUR),
    "backwards": raw(ONE.replace(b"[0,4]", b"[4,0]"), FOUR),
    "hole": raw(ONE.replace(b"[0,4]", b"[4,8]"), bytes(8)),
    "overlap": raw(ONE[:-1] + b"," + ONE[1:].replace(b'"a"', b'"b"').replace(b"[0,4]", b"[2,6]"), bytes(6)),
    "twice": raw(ONE[:-1] + b"," + ONE[1:].replace(b"[0,4]", b"[4,8]"), bytes(8)),
    "field twice": raw(ONE.replace(b'"shape"', b'"dtype":"F32","shape"'), FOUR),
    "metadata of numbers": raw(b'{"__metadata__":{"a":1}}'),
    "unclosed text": raw(b'{"a' + b'\\"' * 10**5),
    "second value": raw(ONE + b"{}", FOUR),
}


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_file_gets_a_typed_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(BAD[name])
    with pytest.raises(BadFormat, match=r"bad\.safetensors: "):
        check_lora(path)
    path.write_bytes(raw(ONE + b"  ", FOUR))
    assert list(read_header(path).tensors) == ["a"]


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(BadFormat):
            read_header(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_hostile_headers_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100 * 2**20))
        file.truncate(101 * 2**20)
    assert peak(path) < 2**20
    for filling in (b"[", b'{"a":', b'"",', b"1,", b"{},", b'\\"', b"{}", b"[],", b'"a":{"a":[]},'):
        path.write_bytes(raw(b"{" + filling * ((MOST_HEADER - 1) // len(filling))))
        assert peak(path) < 200 * 2**20, filling


def test_only_the_last_block_is_read(tmp_path: Path) -> None:
    names = modules(blocks=range(46, 48))
    path = write(tmp_path / "wide.safetensors", lora(names, rank=8))
    size = 64 * 2**20
    tensors = lora(names)
    tensors["diffusion_model.transformer_blocks.0.attn1.to_q.lora_A.weight"] = ("U8", (8, size // 8), bytes(size))
    path = write(tmp_path / "wide.safetensors", tensors)
    del tensors
    tracemalloc.start()
    report = check_lora(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict.sound is Sound.TRAINED
    assert most < 8 * 2**20


SAMPLE = lora(modules(ATTENTION, FEED, (47,)), alpha=4)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_files_give_a_report_or_a_typed_error(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / "m.safetensors", SAMPLE, {"trained_words": "ema", "ss_tag_frequency": '{"a":{"b":2}}'})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 400), st.integers(0, len(content) - 1)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]))
    try:
        report = check_lora(path)
    except BadFormat:
        pass  # the only error that a damaged file may raise
    else:
        json.dumps(report.as_dict())
        assert as_text(report).isprintable() or "\n" in as_text(report)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner)
    | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "a"]), inner),
    max_leaves=12,
))  # fmt: skip
def test_any_json_for_a_header_is_read_or_refused(tmp_path: Path, header: object) -> None:
    path = tmp_path / "j.safetensors"
    path.write_bytes(raw(json.dumps(header).encode()))
    try:
        check_lora(path)
    except BadFormat:
        pass
    else:
        assert isinstance(header, dict)


def test_alpha_that_is_stored_needs_no_config(tmp_path: Path) -> None:
    report = checked(tmp_path, lora(ALL, alpha=8), {"ss_network_alpha": "4", "ss_network_dim": "8"})
    assert "L03" not in rules(report)


@pytest.mark.parametrize(("ranks", "sound"), [((8, 4), Sound.TRAINED), ((8, 4, 2), Sound.UNKNOWN)])
def test_many_ranks_are_an_extraction(tmp_path: Path, ranks: tuple[int, ...], sound: Sound) -> None:
    tensors: Tensors = {}
    for number, rank in enumerate(ranks):
        tensors |= lora(ALL[number :: len(ranks)], rank=rank)
    assert checked(tmp_path, tensors).verdict.sound is sound
