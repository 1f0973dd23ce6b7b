"""Files of a hub: real HTTP to a hub on this machine, with every fault that hubs and networks have."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner import cli, fetchcli
from captioner.errors import SettingsError, WeightsMissing
from captioner.models import fetching, hubfaults, hublisting, hubtransfer
from captioner.models.diarizer.pipelines import parts
from captioner.models.fetching import Hub, Wanted, fetch, here
from captioner.models.hubfaults import Asked, HubFault, Kind, of_error
from captioner.models.hubtransfer import Patience
from captioner.settings import Settings
from tests.hub import COMMIT, FakeHub, Repository, cut_at, fine, other_bytes, serving, silent_after, status

NAME = "someone/whisper"
WEIGHTS = random.Random(1).randbytes(700_000)
FILES = {"model.bin": WEIGHTS, "config.json": b"{}", "tokenizer.json": b'{"a": 1}', "README.md": b"# words"}
WANTED = Wanted(NAME, ("model.bin", "*.json"), needed=("model.bin", "config.json"))
SHORT = Patience(connect=2, read=0.4, tries=3, pause=0.01)


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub({NAME: Repository(dict(FILES))})) as running:
        yield running


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path) -> Hub:
    return Hub(hub.endpoint, tmp_path / "cache", patience=SHORT)


def refused(client: Hub, wanted: Wanted = WANTED) -> HubFault:
    with pytest.raises(HubFault) as caught:
        fetch(wanted, client)
    assert here(wanted, client) is None, "an unfinished fetch must not be taken for a whole one"
    return caught.value


def asked_files(hub: FakeHub, file: str = "model.bin") -> list[str | None]:
    return [span for _, path, span in hub.asked if path.endswith(f"/{file}")]


def test_files_stand_where_the_hubs_own_library_finds_them(hub: FakeHub, client: Hub) -> None:
    from huggingface_hub import hf_hub_download, snapshot_download

    assert here(WANTED, client) is None
    place = fetch(WANTED, client)
    assert {path.name for path in place.iterdir()} == {"model.bin", "config.json", "tokenizer.json"}
    assert (place / "model.bin").read_bytes() == WEIGHTS
    found = hf_hub_download(NAME, "model.bin", cache_dir=client.cache, local_files_only=True)
    assert Path(found) == place / "model.bin"
    assert (
        Path(snapshot_download(NAME, cache_dir=client.cache, local_files_only=True, allow_patterns=["*.json"])) == place
    )
    before = len(hub.asked)
    assert here(WANTED, client) == place
    assert len(hub.asked) == before, "what is here is not asked for"


def test_progress_is_told_up_to_the_whole(hub: FakeHub, client: Hub) -> None:
    told: list[tuple[str, int, int | None]] = []
    fetch(WANTED, client, lambda *one: told.append(one))
    assert ("model.bin", len(WEIGHTS), len(WEIGHTS)) in told
    assert [done for name, done, _ in told if name == "model.bin"] == sorted(d for n, d, _ in told if n == "model.bin")


def test_a_lost_connection_is_taken_up_where_it_broke(hub: FakeHub, client: Hub) -> None:
    hub.faults += [cut_at(300_000), cut_at(100_000)]
    assert (fetch(WANTED, client) / "model.bin").read_bytes() == WEIGHTS
    assert asked_files(hub) == [None, "bytes=300000-", "bytes=400000-"]


def test_what_came_is_kept_for_the_next_run(hub: FakeHub, client: Hub) -> None:
    hub.faults += [cut_at(10_000)] * SHORT.tries
    fault = refused(client)
    assert fault.kind is Kind.PARTIAL
    assert "30,000 of 700,000 bytes" in str(fault) or "tried 3 times" in str(fault)
    assert "run again" in str(fault)
    hub.asked.clear()
    assert (fetch(WANTED, client) / "model.bin").read_bytes() == WEIGHTS
    assert asked_files(hub) == ["bytes=30000-"]


def test_a_server_without_ranges_begins_anew(hub: FakeHub, client: Hub) -> None:
    hub.ranges = False
    hub.faults += [cut_at(300_000)]
    assert (fetch(WANTED, client) / "model.bin").read_bytes() == WEIGHTS
    assert asked_files(hub) == [None, "bytes=300000-"]


def test_bytes_kept_of_another_file_are_thrown_away(hub: FakeHub, client: Hub) -> None:
    import hashlib

    blobs = client.folder(NAME) / "blobs"
    blobs.mkdir(parents=True)
    kept = blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete"
    kept.write_bytes(b"x" * 5000)
    assert (fetch(WANTED, client) / "model.bin").read_bytes() == WEIGHTS
    assert asked_files(hub) == ["bytes=5000-", None]
    assert not kept.exists()


def test_other_bytes_are_refused_and_removed(hub: FakeHub, client: Hub) -> None:
    hub.faults += [other_bytes, other_bytes]
    fault = refused(client)
    assert fault.kind is Kind.HASH
    assert "not what the hub lists" in str(fault)
    assert not any((client.folder(NAME) / "blobs").iterdir())


def test_small_files_are_checked_by_gits_hash(hub: FakeHub, client: Hub) -> None:
    hub.faults += [fine, other_bytes, other_bytes]
    assert refused(client).kind is Kind.HASH


def test_more_bytes_than_listed_are_refused(hub: FakeHub, client: Hub) -> None:
    def longer(answer: Any) -> bool:
        assert answer.say(200, answer.data + b"more")
        return True

    hub.faults += [longer, longer]
    assert refused(client).kind is Kind.HASH


def test_a_hub_that_falls_silent_is_given_up(hub: FakeHub, client: Hub) -> None:
    hub.faults += [silent_after(100, 1.2)] * SHORT.tries
    fault = refused(client)
    assert fault.kind is Kind.SILENT
    assert "fell silent" in str(fault)


def test_a_hub_that_gives_drops_is_given_up(hub: FakeHub, client: Hub) -> None:
    hub.faults += [cut_at(1)] * 50
    refused(client)
    assert len(asked_files(hub)) == SHORT.tries


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (status(500), Kind.DOWN, "the hub's own trouble"),
        (status(503), Kind.DOWN, "status 503"),
        (status(429, Retry_After="7000"), Kind.BUSY, "wait 7,000 s"),
        (status(403, X_Error_Message="No right to read"), Kind.FORBIDDEN, "No right to read"),
        (status(418), Kind.FOREIGN, "status 418"),
        (status(204), Kind.FOREIGN, "status 204"),
    ],
)
def test_what_a_hub_answers_is_said(
    hub: FakeHub, client: Hub, answer: Callable[..., bool], kind: Kind, says: str
) -> None:
    hub.faults += [answer] * 50
    fault = refused(client)
    assert fault.kind is kind
    assert says in str(fault)
    assert len(asked_files(hub)) == (SHORT.tries if kind is Kind.DOWN else 1)


def test_a_busy_hub_is_asked_again_when_it_said(hub: FakeHub, client: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    hub.faults += [status(429, Retry_After="11"), status(429, RateLimit='"api";r=0;t=5'), status(502)]
    hub.listing_faults += [fine]
    fetch(WANTED, Hub(hub.endpoint, client.cache, patience=Patience(read=2, tries=9, pause=1.0)))
    assert slept[:2] == [11, 5]
    assert 0.8 * 4 <= slept[2] <= 1.2 * 4, "the third wait is the backoff's"


def test_a_gated_repository_names_its_page(hub: FakeHub, client: Hub) -> None:
    hub.repositories[NAME].gated = True
    fault = refused(client)
    assert fault.kind is Kind.GATED
    assert f"accept its conditions at {hub.endpoint}/{NAME} " in str(fault)
    assert "no token is set" in str(fault)
    assert "HF_TOKEN" in str(fault)
    allowed = Hub(hub.endpoint, client.cache, token="good", patience=SHORT)
    assert (fetch(WANTED, allowed) / "model.bin").is_file()


def test_a_token_that_was_not_accepted(hub: FakeHub, client: Hub) -> None:
    fault = refused(Hub(hub.endpoint, client.cache, token="stale", patience=SHORT))
    assert fault.kind is Kind.TOKEN
    assert "the token was not accepted" in str(fault)
    assert "stale" not in str(fault)


def test_a_token_stays_with_the_hub(hub: FakeHub, client: Hub) -> None:
    with serving(FakeHub({NAME: Repository(dict(FILES))})) as network:
        hub.redirects = network.endpoint.replace("127.0.0.1", "localhost")
        place = fetch(WANTED, Hub(hub.endpoint, client.cache, token="good", patience=SHORT))
        assert (place / "model.bin").read_bytes() == WEIGHTS
        assert hub.authorizations
        assert set(hub.authorizations) == {"Bearer good"}
        assert network.authorizations == [None]


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        (Wanted("someone/else"), Kind.NO_REPOSITORY, "has no someone/else"),
        (Wanted(NAME, revision="v9"), Kind.NO_REVISION, "'v9'"),
        (Wanted(NAME, ("*.gguf",)), Kind.NO_FILE, "*.gguf"),
        (Wanted(NAME, ("*.json",), needed=("preprocessor_config.json",)), Kind.NO_FILE, "preprocessor_config.json"),
    ],
)
def test_what_a_hub_does_not_have(client: Hub, wanted: Wanted, kind: Kind, says: str) -> None:
    fault = refused(client, wanted)
    assert fault.kind is kind
    assert says in str(fault)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in to the hotel</html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"sha": "x", "siblings": []}',
        b"\xff",
    ],
)
def test_a_login_page_is_no_hub(hub: FakeHub, client: Hub, body: bytes) -> None:
    hub.listing_faults.append(lambda answer: answer.say(200, body))
    fault = refused(client)
    assert fault.kind is Kind.FOREIGN
    assert "open it in a browser" in str(fault)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../b", "a\\..\\b", "C:evil", ""])
def test_a_listing_cannot_lead_out_of_the_cache(hub: FakeHub, client: Hub, tmp_path: Path, name: str) -> None:
    one = {"rfilename": name, "size": 2, "blobId": "0" * 40}
    hub.listing_faults.append(lambda answer: answer.say(200, json.dumps({"sha": COMMIT, "siblings": [one]}).encode()))
    assert refused(client, Wanted(NAME)).kind is Kind.FOREIGN
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_hash_cannot_lead_out_of_the_cache(hub: FakeHub, client: Hub) -> None:
    one = {"rfilename": "a", "size": 2, "lfs": {"sha256": "../../../evil"}}
    hub.listing_faults.append(lambda answer: answer.say(200, json.dumps({"sha": COMMIT, "siblings": [one]}).encode()))
    assert refused(client, Wanted(NAME)).kind is Kind.FOREIGN


def test_room_is_counted_before_a_byte_comes(hub: FakeHub, client: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    small = len(WEIGHTS) + 2 + 8
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=small + fetching.SPARE - 1))
    fault = refused(client)
    assert fault.kind is Kind.DISK
    assert "HF_HOME" in str(fault)
    assert not asked_files(hub)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=small + fetching.SPARE))
    assert fetch(WANTED, client).is_dir()


def test_a_disk_that_fills_up_meanwhile(client: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hubtransfer, "_write", full)
    fault = refused(client)
    assert fault.kind is Kind.DISK
    assert not fault.passing


def test_a_cache_that_is_no_folder(client: Hub) -> None:
    client.cache.write_text("a file")
    fault = refused(client)
    assert fault.kind is Kind.DENIED
    assert "HF_HOME" in str(fault)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written(client: Hub, tmp_path: Path) -> None:
    client.cache.mkdir()
    client.cache.chmod(0o500)
    assert refused(client).kind is Kind.DENIED


def test_nothing_is_asked_offline(hub: FakeHub, tmp_path: Path) -> None:
    fault = refused(Hub(hub.endpoint, tmp_path, offline=True, patience=SHORT))
    assert fault.kind is Kind.OFFLINE
    assert not hub.asked


def test_a_name_that_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fault = refused(Hub("https://hub.invalid", tmp_path, patience=SHORT))
    assert fault.kind is Kind.NAME
    assert "DNS" in str(fault)


def test_a_look_up_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait(30))
    monkeypatch.setattr(fetching, "NAME_PATIENCE", 0.05)
    assert refused(Hub("https://hub.invalid", tmp_path, patience=SHORT)).kind is Kind.NAME
    release.set()


def test_nothing_answers(tmp_path: Path) -> None:
    fault = refused(Hub("http://127.0.0.1:9", tmp_path, patience=SHORT))
    assert fault.kind is Kind.REFUSED
    assert "tried 3 times" in str(fault)


def test_an_endpoint_that_is_no_address(tmp_path: Path) -> None:
    assert refused(Hub("hub.invalid", tmp_path, patience=SHORT)).kind is Kind.FOREIGN


def test_a_proxy_that_refuses(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", hub.endpoint)  # it knows no CONNECT
    monkeypatch.setenv("no_proxy", "")
    fault = refused(Hub("https://hub.invalid", tmp_path, patience=SHORT))
    assert fault.kind is Kind.PROXY
    assert "HTTPS_PROXY" in str(fault)


def test_plain_http_where_tls_is_expected(hub: FakeHub, tmp_path: Path) -> None:
    fault = refused(Hub(hub.endpoint.replace("http:", "https:"), tmp_path, patience=SHORT))
    assert fault.kind in (Kind.REFUSED, Kind.CERTIFICATE)


ASKED = Asked("https://hub.invalid", NAME, has_token=False, cache=Path("/cache"))


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Data processing error: File reconstruction error: Background writer channel closed"),
     RuntimeError("CAS service error : ReqwestMiddleware Error")],
)  # fmt: skip
def test_a_failure_of_xet_is_known(error: Exception) -> None:
    fault = of_error(ASKED, error)
    assert fault.kind is Kind.XET
    assert "HF_HUB_DISABLE_XET=1" in str(fault)


def test_a_full_disk_is_found_behind_xets_words() -> None:
    error = RuntimeError("Background writer channel closed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert of_error(ASKED, error).kind is Kind.DISK


def test_every_kind_has_a_sentence_that_says_what_next() -> None:
    for kind in Kind:
        sentence = str(ASKED.fault(kind, detail="details"))
        assert "{" not in sentence
        assert ";" in sentence or "," in sentence
    assert set(hubfaults._SENTENCES) == set(Kind)


LEAF = st.none() | st.integers() | st.text(max_size=8)
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["rfilename", "size", "lfs", "blobId", "sha", "siblings", "x"]), JSON))
@settings(max_examples=150, deadline=None)
def test_any_json_as_a_listing_is_read_or_refused(said: dict[str, Any]) -> None:
    for listing in (said, {"sha": COMMIT, "siblings": [said]}, {"sha": COMMIT, **said}):
        try:
            commit, files = hublisting.read_listing(listing)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        assert commit == COMMIT
        assert isinstance(files, list)


def test_a_pipelines_parts_are_found(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "pipeline:\n  name: pyannote.audio.pipelines.SpeakerDiarization\n  params:\n"
        "    segmentation: pyannote/segmentation-3.0@abc\n    embedding: someone/voices\n"
        "    plda: $model/plda\n    ratio: 1/2x y\n"
    )
    assert parts(tmp_path) == ["pyannote/segmentation-3.0@abc", "someone/voices"]


def test_auto_is_what_a_gpu_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetchcli, "find_spec", lambda _: object())
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 1)
    assert fetchcli.of_settings(Settings())[1] == ("tagger", "ast")
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    assert fetchcli.of_settings(Settings()) == [("asr", "base"), ("tagger", "auto"), ("diarizer", "embedded")]
    chosen = Settings(model="small", tagger="onnx", diarizer="pyannote", diarizer_options={"pipeline": "a/b"})
    assert fetchcli.of_settings(chosen) == [("asr", "small"), ("tagger", "onnx"), ("diarizer", "a/b")]
    torch = [fetchcli.of_settings(Settings(asr="whisper_torch", model=model))[0] for model in (None, "turbo", "small")]
    items = [fetchcli.ITEMS[role](name) for role, name in torch]
    assert items[0].wanted is not None
    assert "whisper_torch" not in items[0].wanted.repository
    repositories = [item.wanted.repository for item in items[1:] if item.wanted is not None]
    assert repositories == ["openai/whisper-large-v3-turbo", "openai/whisper-small"]


# --- the command ------------------------------------------------------------------------------------------------------


def command(hub: FakeHub, home: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    given = {**kept, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **more}
    given.pop("HF_HUB_CACHE", None)
    return subprocess.run(
        [sys.executable, "-m", "captioner", "fetch-models", *words], capture_output=True, text=True, env=given,
        cwd=home, timeout=60,
    )  # fmt: skip


def test_the_command_fetches_once_and_tries_everything(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories["someone/gated"] = Repository({"config.json": b"{}"}, gated=True)
    hub.repositories["someone/pipeline"] = Repository(
        {"config.yaml": b"pipeline:\n  params:\n    segmentation: someone/part\n", "README.md": b"#"}
    )
    hub.repositories["someone/part"] = Repository({"pytorch_model.bin": b"weights"})
    words = ("--asr", NAME, "--repository", "someone/gated", "--diarizer", "someone/pipeline")
    dry = command(hub, tmp_path, *words, "--dry-run")
    assert dry.returncode == 0
    assert f"asr {NAME}: not here" in dry.stdout
    assert not hub.asked
    done = command(hub, tmp_path, *words, "--json")
    assert done.returncode == 1
    states = {row["name"]: row for row in json.loads(done.stdout)["models"]}
    assert states["someone/gated"]["state"] == "failed"
    assert states["someone/gated"]["kind"] == "gated"
    assert f"{hub.endpoint}/someone/gated" in done.stderr
    assert states[f"asr {NAME}"]["state"] == "fetched"
    assert (Path(states[f"asr {NAME}"]["path"]) / "model.bin").read_bytes() == WEIGHTS
    assert states["part of someone/pipeline: someone/part"]["state"] == "fetched"
    hub.asked.clear()
    again = command(hub, tmp_path, "--asr", NAME, "--diarizer", "someone/pipeline")
    assert again.returncode == 0
    assert not hub.asked
    assert command(hub, tmp_path, "--diarizer", "no name").returncode == 2


@pytest.mark.parametrize("role", ["--asr", "--tagger", "--aligner", "--diarizer", "--repository"])
def test_an_empty_name_is_no_model(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch-models", role, ""]) == 2
    assert "empty name" in capsys.readouterr().err


def test_the_command_stopped_halfway_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults += [silent_after(200_000, 20)]
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    given = {**kept, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "captioner", "fetch-models", "--asr", NAME], env=given, stderr=subprocess.PIPE, text=True
    ) as running:
        blobs = tmp_path / "hub" / "models--someone--whisper" / "blobs"
        for _ in range(400):
            if any(path.stat().st_size == 200_000 for path in blobs.glob("*.incomplete")):
                break
            threading.Event().wait(0.05)
        running.kill()
    hub.asked.clear()
    assert command(hub, tmp_path, "--asr", NAME).returncode == 0
    assert asked_files(hub)[0] == "bytes=200000-"


def test_weights_and_taggers_come_this_way(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioner.models.asr import weights
    from captioner.models.tagger import hub as taggers

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert (weights.find_weights(NAME) / "model.bin").read_bytes() == WEIGHTS
    assert (taggers.fetched(NAME, ("config.json",), "Else.") / "config.json").is_file()
    hub.repositories[NAME].gated = True
    with pytest.raises(WeightsMissing, match=r"its makers ask.*accept its conditions at.*Else\."):
        taggers.fetched(NAME, ("README.md",), "Else.")
    with pytest.raises(SettingsError, match="'bass'"):
        weights.wanted("bass")
