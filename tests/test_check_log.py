from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner import cli
from captioner.checks import logs
from captioner.checks.findings import Severity
from captioner.checks.logs import LogReport, as_text, check_log
from captioner.errors import UsageError
from tests.lora_files import KOHYA, lora, modules


def read(tmp_path: Path, text: str | bytes) -> LogReport:
    path = tmp_path / "run.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return check_log(path)


NATIVE = list(lora(modules(blocks=range(48)), prefix="lora_unet_model_", spelling=KOHYA, alpha=8))
COMFY = "got prompt\n" + "".join(f"[WARNING] lora key not loaded: {name}\n" for name in NATIVE) + "Prompt executed\n"


def test_thousands_of_lines_become_a_few_groups(tmp_path: Path) -> None:
    report = read(tmp_path, COMFY)
    assert report.keys == len(NATIVE)
    assert len(NATIVE) > 3000
    assert len(report.findings) == 4
    assert sum(one.severity is Severity.ERROR for one in report.findings) == 3
    first = report.findings[0]
    assert "1,440 audio keys" in next(one.found for one in report.findings if " audio keys" in one.found)
    assert "blocks 0-47" in first.found
    assert ".comfy.safetensors" in first.fix
    assert len(as_text(report).splitlines()) < 15


def test_the_same_file_loaded_twice_counts_once(tmp_path: Path) -> None:
    assert read(tmp_path, COMFY + COMFY).keys == len(NATIVE)


@pytest.mark.parametrize(
    ("line", "severity", "told"),
    [
        ("lora key not loaded: diffusion_model.transformer_blocks.0.audio_attn1.to_q.lora_A.weight",
         Severity.ERROR, "audio"),
        ("lora key not loaded diffusion_model.transformer_blocks.0.attn1.to_q.lora_A.weight",
         Severity.WARNING, "video"),
        ("lora key not loaded: text_embedding_projection.aggregate_embed.lora_B.weight", Severity.INFO, "text"),
        ("lora key not loaded: transformer.transformer_blocks.0.audio_ff.net.2.lora_B.weight", Severity.ERROR, "audio"),
        ("WARNING SHAPE MISMATCH diffusion_model.transformer_blocks.1.audio_ff.net.2.weight WEIGHT NOT MERGED "
         "torch.Size([2]) != torch.Size([4])", Severity.ERROR, "another shape"),
        ("ERROR lora diffusion_model.transformer_blocks.1.attn1.to_q.weight mat1 and mat2 shapes cannot be multiplied",
         Severity.WARNING, "failed"),
        ("Loading adapter weights from state_dict led to unexpected keys found in the model: "
         "audio_embeddings_connector.transformer_1d_blocks.0.attn1.to_q.lora_A.default_0.weight. ",
         Severity.WARNING, "Diffusers"),
        ("Loading adapter weights from state_dict led to unexpected keys found in the model: "
         "transformer_blocks.0.audio_attn1.to_q.lora_A.default_0.weight, "
         "transformer_blocks.0.audio_attn1.to_q.lora_B.default_0.weight. Loading adapter weights from state_dict led "
         "to missing keys in the model: transformer_blocks.0.audio_attn1.to_k.lora_A.default_0.weight.",
         Severity.ERROR, "2 audio keys"),
        ("Loading adapter weights from state_dict led to unexpected keys not found in the model:  "
         "['transformer_blocks.0.audio_ff.net.2.lora_A.x.weight']", Severity.ERROR, "audio_ff"),
        ("No LoRA keys associated to LTX2VideoTransformer3DModel found with the prefix='transformer'. This is safe",
         Severity.ERROR, "no key of the file"),
        ("ValueError: Invalid LoRA checkpoint. Make sure all LoRA param names contain `'lora'` substring.",
         Severity.ERROR, "refused"),
        ("<All keys matched> _IncompatibleKeys(missing_keys=[], "
         "unexpected_keys=['transformer_blocks.3.video_to_audio_attn.to_q.lora_A.weight'])",
         Severity.ERROR, "video-to-audio"),
    ],
)  # fmt: skip
def test_what_each_program_writes_is_read(tmp_path: Path, line: str, severity: Severity, told: str) -> None:
    report = read(tmp_path, f"start\n2026-09-01 10:00:00,000 - {line}\nend\n")
    assert report.findings[0].severity is severity
    assert any(told in one.found for one in report.findings)
    assert {one.line for one in report.findings} == {2}
    assert all(one.rule == "L02" and one.fix and one.cost for one in report.findings)


def test_a_clean_log_has_no_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.log"
    path.write_text("Requested to load LTXAV\nloaded completely 1660 patches attached\nNo LoRA keys associated to "
                    "CLIPTextModel found with the prefix='text_encoder'.\n")  # fmt: skip
    assert cli.main(["check-log", str(path)]) == 0
    assert "no line says" in capsys.readouterr().out


def test_ltx_pipelines_is_known_to_be_silent(tmp_path: Path) -> None:
    report = read(tmp_path, "python -m ltx_pipelines.ti2vid_two_stages --lora a.safetensors\n")
    assert report.silent
    assert "check-lora" in as_text(report)
    assert not read(tmp_path, "python main.py\n").silent


def test_exit_codes_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.log"
    path.write_text(COMFY)
    assert cli.main(["check-log", "--json", str(path)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["files"][0]["keys_not_loaded"] == len(NATIVE)
    assert told["counts"]["error"] == 3
    path.write_text("lora key not loaded: diffusion_model.transformer_blocks.0.attn1.to_q.lora_A.weight\n")
    assert cli.main(["check-log", str(path)]) == 0
    assert cli.main(["check-log", str(tmp_path / "none.log")]) == 2
    with pytest.raises(UsageError):
        check_log(tmp_path)


def test_powershell_writes_utf16(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xff\xfe" + COMFY.encode("utf-16-le")).keys == len(NATIVE)


def test_memory_does_not_grow_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST_REMEMBERED", 1000)
    path = tmp_path / "long.log"
    with path.open("w") as file:
        for number in range(20_000):
            file.write(
                f"lora key not loaded: x{number}.{number}.weight and more words to fill the line up to its end\n"
            )
        file.write("x" * (30 * 2**20))
    tracemalloc.start()
    report = check_log(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.keys == 20_000
    assert len(report.findings) == 1
    assert most < 48 * 2**20


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=40) | st.sampled_from([
    b"lora key not loaded: ", b"unexpected keys found in the model: ", b"\n", b"\x1b[31m", b"a.lora_A.weight",
    b"missing_keys=[",
])))  # fmt: skip
def test_any_bytes_are_a_log(tmp_path: Path, parts: list[bytes]) -> None:
    report = read(tmp_path, b"".join(parts))
    json.dumps(report.as_dict())
    assert "\x1b" not in as_text(report)
