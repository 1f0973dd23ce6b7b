"""Caches of trainers: what is old, orphaned, uneven or foreign is found; what is right has no finding."""

from __future__ import annotations

import os
import pickle
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner.checks import torchfiles, torchzip
from captioner.checks.caches import Caches, find_caches, hashed, read_caches
from captioner.checks.findings import Finding, Severity
from captioner.checks.gather import Place
from captioner.checks.rules import all_rules
from captioner.checks.rules_caches import seconds_of_picture
from captioner.checks.running import caches_of
from captioner.checks.safetensors import read_header
from captioner.checks.torchfiles import Stored, read_values
from captioner.checks.view import AudioFacts, CaptionFile, ClipView, Listing, Media, Record, View
from captioner.errors import BadFormat
from tests.cachefiles import T, conditions, latents, program, sound, write_pt, write_safetensors

NOW = 1_700_000_000
SOUND = AudioFacts("aac", 48000, 2, 0.0, 48000 * 5)


def at(path: Path, seconds: float) -> None:
    """Sets a file's time, seconds after NOW."""
    time = NOW * 10**9 + round(seconds * 1e9)
    os.utime(path, ns=(time, time))


class Dataset:
    """Clips, captions and caches, made as files with times."""

    def __init__(self, root: Path, stems: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.root = root
        self.extensions = dict.fromkeys(stems, ".mp4")
        self.audio: dict[str, tuple[AudioFacts, ...]] = dict.fromkeys(stems, (SOUND,))
        self.folder = dict.fromkeys(stems, "clips")
        self.listing: tuple[str, ...] | None = None
        (root / "clips").mkdir(parents=True)
        for stem in stems:
            self.path(stem).write_bytes(b"media of " + stem.encode())
            at(self.path(stem), 0)
            caption = self.path(stem).with_suffix(".txt")
            caption.write_text(f"caption of {stem}\n")
            at(caption, 0)

    def path(self, stem: str) -> Path:
        return self.root / self.folder[stem] / f"{stem}{self.extensions[stem]}"

    def cached(self, path: Path, seconds: float = 100) -> Path:
        at(path, seconds)
        return path

    def ltx(self, folder: str, stem: str, values: Any, seconds: float = 100) -> Path:
        path = write_pt(self.root / ".precomputed" / folder / "clips" / f"{stem}.pt", values)
        return self.cached(path, seconds)

    def whole_ltx(self) -> Dataset:
        for stem in self.extensions:
            self.ltx("latents", stem, latents())
            self.ltx("audio_latents", stem, sound())
            self.ltx("conditions", stem, conditions())
        return self

    def view(self, *caches: Path, trainer: str | None = None, **more: Any) -> View:
        clips = []
        for stem in self.extensions:
            path = self.path(stem)
            state = path.stat()
            caption = path.with_suffix(".txt")
            media = Media(121, 121, Fraction(25), width=960, height=544, audio=self.audio[stem])
            clips.append(ClipView(
                path.relative_to(self.root).as_posix(), path, media, state.st_size, state.st_mtime_ns,
                CaptionFile(caption.relative_to(self.root).as_posix(), caption.read_text().strip()),
            ))  # fmt: skip
        listings: tuple[Listing, ...] = ()
        if self.listing is not None:
            path = self.root / "dataset.json"
            records = tuple(Record(i + 1, {}, name, name) for i, name in enumerate(self.listing))
            listings = (Listing("dataset.json", path, "json", records),)
        found = caches or find_caches(self.root)
        return View(self.root, tuple(clips), (), listings, trainer=trainer, caches=found, **more)


def run(rule: str, view: View) -> list[Finding]:
    return list(all_rules()[rule].check(view))


def quiet(view: View, *but: str) -> None:
    for rule in ("K01", "K02", "K03", "K04", "K05", "K06", "K07", "K08", "K09"):
        if rule not in but:
            assert not run(rule, view), [one.as_text() for one in run(rule, view)]


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "set")


# --- LTX --------------------------------------------------------------------------------------------------------------


def test_a_good_ltx_cache_has_no_finding(data: Dataset) -> None:
    view = data.whole_ltx().view(trainer="ltx")
    assert view.cached.kinds == {"ltx"}
    quiet(view)
    named = data.view(data.root / ".precomputed" / "latents")
    assert set(next(iter(named.cached.ltx.values()))) == {"latents", "conditions", "audio_latents"}
    quiet(named)


def test_k01_latents_older_than_their_clip(data: Dataset) -> None:
    data.whole_ltx()
    at(data.path("b"), 100.0)
    quiet(data.view())
    at(data.path("b"), 100.001)
    findings = run("K01", data.view())
    assert [one.file for one in findings] == [
        ".precomputed/latents/clips/b.pt",
        ".precomputed/audio_latents/clips/b.pt",
    ]
    assert "older than clips/b.mp4" in findings[0].found
    assert "--overwrite" in findings[0].fix
    quiet(data.view(), "K01")
    quiet(data.view(trainer="musubi"))


def test_k01_conditions_older_than_the_metadata(data: Dataset) -> None:
    data.whole_ltx().listing = ("clips/a.mp4", "clips/b.mp4", "clips/c.mp4")
    (data.root / "dataset.json").write_text("[]")
    at(data.root / "dataset.json", 100)
    at(data.path("a").with_suffix(".txt"), 500)
    assert not run("K01", data.view()), "the trainer reads the metadata, not the text file"
    at(data.root / "dataset.json", 101)
    data.ltx("conditions", "c", conditions(), 102)
    (finding,) = run("K01", data.view())
    assert finding.file == "dataset.json"
    assert "2 of 3 conditions" in finding.found
    data.listing = None
    assert [one.file for one in run("K01", data.view())] == [".precomputed/conditions/clips/a.pt"]


def test_k02_clips_that_are_gone_still_train(data: Dataset) -> None:
    data.whole_ltx()
    for folder, values in (("latents", latents()), ("audio_latents", sound()), ("conditions", conditions())):
        data.ltx(folder, "gone", values)
    (finding,) = run("K02", data.view())
    assert "1 of 4: clips/gone" in finding.found
    assert "train all the same" in finding.cost
    data.listing = ("clips/a.mp4",)
    (finding,) = run("K02", data.view())
    assert "3 of 4: clips/b, clips/c, clips/gone" in finding.found
    quiet(data.view(), "K02", "K01")


def test_k03_samples_that_are_dropped(data: Dataset) -> None:
    data.whole_ltx()
    (data.root / ".precomputed/audio_latents/clips/b.pt").unlink()
    (finding,) = run("K03", data.view())
    assert finding.found == "1 of 3 are dropped, as audio_latents has no clips/b"
    data.whole_ltx()
    (data.root / ".precomputed/latents/clips/a.pt").unlink()
    assert any("have no latents: clips/a" in one.found for one in run("K03", data.view()))


def test_k03_a_folder_that_is_not_there(data: Dataset) -> None:
    for stem in "abc":
        data.ltx("latents", stem, latents())
        data.ltx("conditions", stem, conditions())
    (finding,) = run("K03", data.view())
    assert "none of the 3 samples teaches any sound" in finding.found
    data.audio = dict.fromkeys(data.audio, ())
    assert not run("K03", data.view()), "clips without sound need no folder for it"
    for path in (data.root / ".precomputed/conditions/clips").iterdir():
        path.unlink()
    (finding,) = run("K03", data.view())
    assert "3 of 3 are dropped" in finding.found


def test_k03_reference_sound(data: Dataset) -> None:
    data.whole_ltx()
    data.ltx("reference_audio_latents", "a", sound())
    (finding,) = run("K03", data.view(trainer="id-lora"))
    assert "2 of 3 are dropped, as reference_audio_latents has no clips/b, clips/c" in finding.found


def test_k04_picture_and_sound_of_other_lengths(data: Dataset) -> None:
    data.whole_ltx()
    assert seconds_of_picture(latents()) == 121 / 25
    data.ltx("audio_latents", "b", sound(4.919))
    quiet(data.view())
    data.ltx("audio_latents", "b", sound(4.921))
    (finding,) = run("K04", data.view())
    assert finding.file == ".precomputed/audio_latents/clips/b.pt"
    assert finding.found == "4.84 s of picture and 4.92 s of sound"
    data.ltx("latents", "b", latents(rate=float("nan")))
    quiet(data.view())


# --- ai-toolkit -------------------------------------------------------------------------------------------------------

LATENT = {"latent": ("BF16", (128, 2, 3)), "num_frames": ("I64", ())}
HEARD = {**LATENT, "audio_latent": ("BF16", (8, 5, 2))}


def ait(data: Dataset, stem: str, tensors: Any, seconds: float = 100, hash_: str = "d41d8") -> Path:
    path = write_safetensors(data.root / "clips" / "_latent_cache" / f"{stem}_{hash_}.safetensors", tensors)
    return data.cached(path, seconds)


def test_k05_old_latents_of_ai_toolkit(data: Dataset) -> None:
    for stem in "abc":
        ait(data, stem, HEARD)
        path = data.root / "clips" / "_t_e_cache" / f"{stem}_77.safetensors"
        data.cached(write_safetensors(path, {"text_embeds": ("BF16", (4, 4))}), -5)
    quiet(data.view())
    at(data.path("b"), 100.5)
    (finding,) = run("K05", data.view())
    assert finding.file == "_latent_cache/b_d41d8.safetensors"
    assert "older than clips/b.mp4 by 0.5 s" in finding.found
    ait(data, "b", HEARD, 101, "other")
    quiet(data.view())
    quiet(data.view(trainer="ltx"))


def test_caches_are_found_wherever_trainers_put_them(data: Dataset) -> None:
    ait(data, "a", HEARD)
    mu(data, "a", "_ltx2")
    found = set(caches_of(Place(data.root), None))
    assert found == {data.root / "clips" / "_latent_cache", data.root / "cache_25"}
    assert set(caches_of(Place(data.root / "clips"), "ai-toolkit")) == {data.root / "clips" / "_latent_cache"}
    data.whole_ltx()
    assert data.root / ".precomputed" in set(caches_of(Place(data.root), "ltx"))


def test_k05_latents_without_sound(data: Dataset) -> None:
    ait(data, "a", LATENT)
    (finding,) = run("K05", data.view())
    assert "no audio_latent" in finding.found
    assert "do_audio" in finding.fix
    data.audio["a"] = ()
    quiet(data.view())


# --- musubi -----------------------------------------------------------------------------------------------------------


ITEM = "_00000-121_0960x0544"


def mu(data: Dataset, stem: str, role: str, metadata: Any = None, seconds: float = 100, item: str = ITEM) -> Path:
    steps = f"audio_latents_{metadata or 121}x16x8_bf16"
    every: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
        "_ltx2": {"latents_16x17x30_bf16": ("BF16", (1, 2))},
        "_ltx2_audio": {steps: ("BF16", (8, 2)), "audio_lengths_int32": ("I64", ())},
        "_ltx2_te": {"video_prompt_embeds_bf16": ("BF16", (2, 2)), "audio_prompt_embeds_bf16": ("BF16", (2, 2))},
    }
    folder = data.root / "cache_25"
    given = metadata if isinstance(metadata, dict) else {}
    return data.cached(write_safetensors(folder / f"{stem}{item}{role}.safetensors", every[role], given), seconds)


def source(data: Dataset, stem: str, **more: str) -> dict[str, str]:
    state = data.path(stem).stat()
    return {
        "source_size": str(state.st_size), "source_mtime_ns": str(state.st_mtime_ns), "target_fps": "25.0",
        "duration_seconds": "4.84", **more,
    }  # fmt: skip


def whole_musubi(data: Dataset) -> Dataset:
    for stem in data.extensions:
        mu(data, stem, "_ltx2", source(data, stem))
        mu(data, stem, "_ltx2_audio")
        mu(data, stem, "_ltx2_te", {"caption1": f"caption of {stem}"}, item="")
    return data


def test_a_good_musubi_cache_has_no_finding(data: Dataset) -> None:
    view = whole_musubi(data).view(trainer="musubi")
    assert view.cached.kinds == {"musubi"}
    assert {one.key for one in view.cached.musubi} == {"a", "b", "c"}
    quiet(view)


def test_k06_another_caption(data: Dataset) -> None:
    whole_musubi(data)
    data.path("a").with_suffix(".txt").write_text("caption of a, edited\n")
    (finding,) = run("K06", data.view())
    assert finding.file == "cache_25/a_ltx2_te.safetensors"
    assert "'caption of a'" in finding.found
    assert "edited" in finding.found


def test_k06_another_source(data: Dataset) -> None:
    whole_musubi(data)
    data.path("a").write_bytes(b"media of another length")
    at(data.path("a"), 0)
    (finding,) = run("K06", data.view())
    assert "made of a file of 10 bytes, and clips/a.mp4 has 23" in finding.found
    whole_musubi(data)
    at(data.path("a"), 0.000001)
    (finding,) = run("K06", data.view())
    assert "another version" in finding.found


def test_k06_another_length(data: Dataset) -> None:
    whole_musubi(data)
    mu(data, "a", "_ltx2", source(data, "a", duration_seconds="4.919"))
    quiet(data.view())
    mu(data, "a", "_ltx2", source(data, "a", duration_seconds="4.921"))
    assert "4.92 s were cached" in run("K06", data.view())[0].found
    mu(data, "a", "_ltx2", source(data, "a", target_fps="24.0", duration_seconds=str(121 / 24)))
    assert not run("K06", data.view())
    mu(data, "b", "_ltx2", source(data, "b"), item="_00008-121_0960x0544")
    assert "frames 8 to 129 were cached, and clips/b.mp4 has 121" in run("K06", data.view())[0].found


def test_k07_the_old_voice(data: Dataset) -> None:
    whole_musubi(data)
    mu(data, "a", "_ltx2", source(data, "a"), seconds=900)
    quiet(data.view())  # one run may write either first; the clip itself is older than both
    at(data.path("a"), 500)
    mu(data, "a", "_ltx2", source(data, "a"), seconds=900)
    (finding,) = run("K07", data.view())
    assert finding.file == "cache_25/a_00000-121_0960x0544_ltx2_audio.safetensors"
    assert "older than a_00000-121_0960x0544_ltx2.safetensors" in finding.found
    assert "old voice" in finding.cost


def test_k07_sound_of_another_item(data: Dataset) -> None:
    whole_musubi(data)
    mu(data, "a", "_ltx2_audio", item="_00000-089_0960x0544")
    (finding,) = run("K07", data.view())
    assert "cut another way" in finding.found


def test_k07_sound_of_another_length(data: Dataset) -> None:
    whole_musubi(data)
    mu(data, "a", "_ltx2_audio", 124)
    quiet(data.view())
    mu(data, "a", "_ltx2_audio", 125)
    (finding,) = run("K07", data.view())
    assert finding.found == "5.00 s of sound with 4.84 s of picture"
    mu(data, "a", "_ltx2_audio", 117)
    assert run("K07", data.view())
    for role in ("_ltx2", "_ltx2_audio"):
        (data.root / f"cache_25/a{ITEM}{role}.safetensors").unlink()
    mu(data, "a", "_ltx2", source(data, "a", duration_seconds="2.12"), item="_00000-053_0960x0544")
    mu(data, "a", "_ltx2_audio", 57, item="_00000-053_0960x0544")
    quiet(data.view())  # 53 frames are shown as 57


# --- SimpleTuner ------------------------------------------------------------------------------------------------------


def test_k08_simpletuner(data: Dataset) -> None:
    for stem in "abc":
        data.cached(write_pt(data.root / "cache" / "vae" / f"{hashed(stem)}.pt", latents()))
    assert data.view().cached.kinds == {"simpletuner"}
    quiet(data.view(trainer="simpletuner"))
    at(data.path("c"), 101)
    (finding,) = run("K08", data.view())
    assert finding.file == f"vae/{hashed('c')}.pt"
    at(data.path("c"), 0)
    data.extensions["x"] = ".mov"
    data.folder["x"], data.audio["x"] = "more", ()
    (data.root / "more").mkdir()
    data.path("x").write_bytes(b"")
    data.path("x").with_suffix(".txt").write_text("x")
    at(data.path("x"), 0)
    quiet(data.view())
    data.path("x").rename(data.root / "more" / "a.mov")
    (data.root / "more" / "a.txt").write_text("x")
    view = data.view
    data.path = lambda stem: data.root / ("more/a.mov" if stem == "x" else f"clips/{stem}.mp4")  # type: ignore[method-assign]
    (finding,) = run("K08", view())
    assert finding.found == "one cache for clips/a.mp4, more/a.mov"


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_k09_what_was_left_behind(data: Dataset) -> None:
    data.whole_ltx()
    left = data.root / ".precomputed/latents/clips/d.pt.tmp.4711"
    left.write_bytes(b"")
    (finding,) = run("K09", data.view())
    assert finding.file == ".precomputed/latents/clips/d.pt.tmp.4711"
    assert finding.severity is Severity.WARNING


def test_k09_two_checkpoints_in_one_cache(data: Dataset) -> None:
    data.whole_ltx()
    data.ltx("conditions", "b", conditions(width=2560))
    (finding,) = run("K09", data.view())
    assert finding.file == ".precomputed/conditions/clips/b.pt"
    assert "1 hold" in finding.found
    assert "2560" in finding.found
    data.whole_ltx()
    data.ltx("latents", "b", latents(channels=64))
    assert "latents 64" in run("K09", data.view())[0].found


def test_k09_text_cached_in_another_mode(data: Dataset) -> None:
    whole_musubi(data)
    path = data.root / "cache_25" / "b_ltx2_te.safetensors"
    write_safetensors(path, {"video_prompt_embeds_bf16": ("BF16", (2, 2))}, {"caption1": "caption of b"})
    (finding,) = run("K09", data.view())
    assert finding.file == "cache_25/b_ltx2_te.safetensors"


class Evil:
    def __reduce__(self) -> Any:
        return (os.system, ("touch evil",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_is_a_finding_and_never_runs(
    data: Dataset, protocol: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data.whole_ltx()
    data.ltx("latents", "b", pickle.dumps({"latents": Evil(), "fps": 25.0}, protocol=protocol))
    (finding,) = run("K09", data.view())
    assert finding.severity is Severity.ERROR
    assert "system" in finding.found or "instruction" in finding.found
    assert not (tmp_path / "evil").exists()
    quiet(data.view(), "K09")


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no zip": lambda path: path.write_bytes(b"<html>not found</html>"),
    "legacy": lambda path: path.write_bytes(pickle.dumps(2**70, 2) + bytes(64)),
    "compressed": lambda path: write_pt(path, latents(), compressed=True),
    "a bomb": lambda path: write_pt(path, b"\x80\x02" + b"N" * (64 * 2**20), compressed=True),
    "a long program": lambda path: write_pt(path, b"\x80\x02" + b"N" * torchzip.MOST_PICKLE),
    "many steps": lambda path: write_pt(path, b"\x80\x02" + b"N0" * 150_000 + b"."),
    "no end": lambda path: write_pt(path, b"\x80\x02}"),
    "an empty stack": lambda path: write_pt(path, b"\x80\x02."),
    "no dictionary": lambda path: write_pt(path, b"\x80\x02]."),
    "a mark": lambda path: write_pt(path, b"\x80\x02(."),
    "a call of its own": lambda path: write_pt(path, b"\x80\x02}})R."),
    "a huge tensor": lambda path: write_pt(path, {"latents": T(2**30, 2**30, 2**30)}),
    "two programs": lambda path: _two(path),
}


def _two(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", program(latents()))
        archive.writestr("b/data.pkl", program(latents()))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_one_finding(data: Dataset, kind: str) -> None:
    data.whole_ltx()
    path = data.root / ".precomputed/audio_latents/clips/b.pt"
    BROKEN[kind](path)
    at(path, 100)
    (finding,) = run("K09", data.view())
    assert finding.severity is Severity.ERROR
    assert finding.file == ".precomputed/audio_latents/clips/b.pt"
    assert str(data.root) not in finding.found
    quiet(data.view(), "K09")


def test_broken_safetensors_are_one_finding_each(data: Dataset) -> None:
    whole_musubi(data)
    (data.root / "cache_25/a_00000-121_0960x0544_ltx2.safetensors").write_bytes(b"\x80\x02}.")
    path = ait(data, "b", HEARD)
    path.write_bytes(path.read_bytes()[:-1])
    findings = run("K09", data.view())
    assert [one.severity for one in findings] == [Severity.ERROR] * 2
    for rule in ("K05", "K06", "K07"):
        assert not run(rule, data.view())


def test_a_table_of_contents_that_would_fill_memory(tmp_path: Path) -> None:
    path = write_pt(tmp_path / "a.pt", latents())
    data = bytearray(path.read_bytes())
    at_ = data.rfind(b"PK\x05\x06")
    data[at_ + 12 : at_ + 16] = struct.pack("<I", 2**31)
    path.write_bytes(data)
    with pytest.raises(BadFormat, match="table of contents"):
        read_values(path)


def test_values_are_read_as_torch_wrote_them(tmp_path: Path) -> None:
    path = write_pt(tmp_path / "a.pt", {**latents(), "note": "x", "flag": True, "none": None})
    values = read_values(path)
    assert values["latents"] == Stored("BFloat16Storage", (128, 16, 17, 30))
    assert (values["num_frames"], values["fps"], values["note"], values["flag"]) == (16, 25.0, "x", True)
    assert values["none"] is None


def test_files_of_a_real_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"latents": torch.zeros(8, 5, 16, dtype=torch.bfloat16), "duration": 0.2}, tmp_path / "a.pt")
    values = read_values(tmp_path / "a.pt")
    assert values == {"latents": Stored("BFloat16Storage", (8, 5, 16)), "duration": 0.2}


# --- fuzzing ----------------------------------------------------------------------------------------------------------

GOOD_PROGRAM = program({**latents(), **{f"more{n}": n for n in range(5)}})
OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
WORDS = [b"ctorch\nSize\n", b"\x8c\x01a", b"K\x01", b"(", b")", b"}", b"q\x01", b"h\x01"]


@given(st.lists(st.sampled_from([*OPCODES, *WORDS]), max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_program_ends_in_a_value_or_a_typed_error(parts: list[bytes]) -> None:
    for text in (b"".join(parts), b"\x80\x02}" + b"".join(parts) + b"."):
        try:
            torchfiles._Reader(text).value()
        except torchzip.Wrong:
            continue


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_as_a_program(data: bytes) -> None:
    try:
        torchfiles._Reader(data).value()
    except torchzip.Wrong:
        return


@given(st.integers(0, 2**32), st.integers(1, 12), st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_end_in_values_or_typed_errors(tmp_path: Path, seed: int, count: int, tensors: bool) -> None:
    rng = random.Random(seed)
    path = tmp_path / ("a.safetensors" if tensors else "a.pt")
    if tensors:
        write_safetensors(path, HEARD, {"caption1": "words"})
    else:
        write_pt(path, GOOD_PROGRAM)
    data = bytearray(path.read_bytes())
    for _ in range(count):
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
            case 2:
                del data[place : place + rng.randrange(1, 9)]
            case _:
                data[place : place + 8] = struct.pack("<Q", rng.choice([0, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
        data = data or bytearray(b"x")
    path.write_bytes(data)
    said = str(path)
    try:
        (read_header if tensors else read_values)(path)
    except BadFormat as error:
        said = str(error)
    assert str(path) in said


PARTS = [
    "latents", "conditions", ".precomputed", "_latent_cache", "a_ltx2.safetensors", "a.pt", "a_1.safetensors",
    hashed("a") + ".pt", "x.tmp", "b",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_is_classified(tmp_path: Path, parts: list[str]) -> None:
    root = tmp_path / str(abs(hash(tuple(parts))))
    path = root.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        path.write_bytes(b"")
    found = read_caches((root,))
    assert isinstance(found, Caches)
    assert isinstance(find_caches(root), tuple)
