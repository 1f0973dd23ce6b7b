"""`captioner check` as a command: what it prints, exit codes, JSON, SARIF, silence, fixes, what it remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from captioner import cli
from captioner.checks import probing, running
from captioner.checks.findings import Finding, Severity
from captioner.checks.rules import Change, all_rules
from captioner.checks.running import Request, check, view_of
from captioner.checks.sarif import as_sarif
from captioner.errors import UsageError
from tests.check_sets import clip, found

GOOD = 'ema_voice, a woman speaks. Speech: "I think we should go." Sounds: quiet room tone.'


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path_factory.mktemp("cache") / "checks.sqlite"
    monkeypatch.setattr(running, "default_place", lambda: place)


def run(*arguments: str | Path) -> int:
    return cli.main(["check", *map(str, arguments)])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    clip(tmp_path / "set", "a.mp4", GOOD)
    clip(tmp_path / "set", "b.mp4", GOOD.replace("go", "stay here now"))
    return tmp_path / "set"


@pytest.fixture
def bad(good: Path) -> Path:
    (good / "b.txt").write_bytes(b"\xef\xbb\xbfema_voice, a woman,\r\nin a room.\n")
    clip(good, "c.mp4", None)
    (good / "C.TXT").write_text("ema_voice, another.\n")
    (good / "sheet.png").write_bytes(b"png")
    return good


# -- exit codes and text -----------------------------------------------------------------------------------------------


def test_a_clean_folder_is_0_and_says_what_did_not_run(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(good) == 0
    said = capsys.readouterr().out
    assert "2 clips" in said
    assert "nothing wrong" in said
    assert "not run: L01, L02, L03, L04: --lora was not given" in said


def test_an_error_is_1_and_names_file_cost_and_fix(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bad) == 1
    said = capsys.readouterr().out
    assert "c.mp4: error F01: there is no c.txt beside it" in said
    assert "    costs: " in said
    assert "    fix:   " in said


def test_warnings_count_with_strict_alone(good: Path) -> None:
    (good / "c.txt").write_text("ema_voice")
    assert run(good) == 0
    assert run(good, "--strict") == 1


@pytest.mark.parametrize(
    "arguments",
    [["nowhere"], ["set", "--trainer", "kohya"], ["set", "--caches", "nowhere"], ["set", "--lora", "nowhere"],
     ["set", "--silence", "F01"], ["set", "--silence", "Z99=never"], ["set/a.mp4"]],
)  # fmt: skip
def test_wrong_usage_is_2(
    arguments: list[str], good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(good.parent)
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith("captioner: ")


def test_an_unknown_trainer_is_told_by_the_flag_that_gave_it(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(good, "--trainer", "musuby") == 2
    assert capsys.readouterr().err.startswith("captioner: --trainer musuby: unknown trainer; there are ai-toolkit")


def test_many_findings_of_one_rule_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        clip(tmp_path, f"{number}.mp4", None)
    run(tmp_path)
    few = capsys.readouterr().out
    assert "... and 12 more of F01" in few
    assert few.count("costs:") == 1
    run(tmp_path, "--all")
    assert capsys.readouterr().out.count("error F01") == 20


def test_what_stops_a_whole_run_is_said_first(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (good / "c.txt").write_text("ema_voice")
    (good.parent / "train.yaml").write_text(
        f"trigger_word: x\ndatasets: [{{folder_path: '{good}', caption_ext: txt, do_audio: true}}]\n"
    )
    run(good, "--config", good.parent / "train.yaml")
    said = capsys.readouterr().out
    assert said.index("error T10") < said.index("error P03") < said.index("warning F03")
    assert "not run: 27 rules: about another trainer" in said


def test_a_cost_or_a_fix_that_many_share_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, frames in (("a.mp4", 12), ("b.mp4", 14), ("c.mp4", 15)):
        clip(tmp_path, name, frames=frames, seconds=frames / 25)
    run(tmp_path, "--trainer", "ai-toolkit", "--trigger", "ema_voice")
    lines = capsys.readouterr().out.splitlines()
    first = next(number for number, line in enumerate(lines) if "error T01" in line)
    said = "\n".join(lines[first : first + 7])
    assert said.count("error T01") == 3
    assert said.count("    fix:   cut it") == 1
    assert said.count("    costs: the last") == 3


def test_clips_of_which_the_same_is_known_share_it(tmp_path: Path) -> None:
    """A dataset of many clips has few kinds of them: memory grows by their names and captions."""
    for name in ("a.mp4", "b.mp4"):
        clip(tmp_path / "set", name, GOOD)
    clip(tmp_path / "set", "c.mp4", GOOD, frames=17, seconds=0.68)
    for memory in (None, tmp_path / "memory", tmp_path / "memory"):
        seen = view_of(Request(tmp_path / "set", trainer="ai-toolkit", memory=memory))
        first, second, other = seen.clips
        assert first.media is second.media
        assert seen.window(first) is seen.window(second)
        assert (window := seen.window(other)) is not None
        assert window.frames == 17


# -- silence -----------------------------------------------------------------------------------------------------------


def test_a_silenced_rule_is_told_and_does_not_count(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bad, "--silence", "F01=on purpose", "--silence", "f12=never mind") == 0
    assert "error F01 (silenced): there is no c.txt beside it [on purpose]" in capsys.readouterr().out


def test_a_rule_can_be_silenced_in_the_settings(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bad.parent)
    Path("captioner.yaml").write_text("silence: {F01: on purpose, F12: never mind}\n")
    assert run(bad) == 0
    Path("captioner.yaml").write_text("silence: {F99: on purpose}\n")
    assert run(bad) == 2


# -- machines read it --------------------------------------------------------------------------------------------------


def test_json_holds_all(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(bad, "--json", "--trainer", "ai-toolkit") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["clips"], told["trainer"]) == (3, "ai-toolkit")
    one = next(one for one in told["findings"] if one["rule"] == "F01")
    assert set(one) == {"rule", "severity", "file", "line", "found", "cost", "fix", "silenced"}
    assert told["counts"]["error"] == sum(one["severity"] == "error" for one in told["findings"])
    assert set(told["ran"]) | {id_ for one in told["skipped"] for id_ in one["rules"]} == set(all_rules())


def test_sarif(bad: Path, tmp_path: Path) -> None:
    run(bad, "--sarif", tmp_path / "out.sarif", "--silence", "F12=so it is", "--trainer", "ai-toolkit")
    told = json.loads((tmp_path / "out.sarif").read_text(encoding="utf-8"))
    conforms(told)
    results = told["runs"][0]["results"]
    assert {one["ruleId"] for one in results} >= {"F01", "F03", "F07", "F12"}
    suppressed = [one for one in results if "suppressions" in one]
    assert {one["ruleId"] for one in suppressed} == {"F12"}
    assert suppressed[0]["suppressions"][0]["justification"] == "so it is"


def conforms(told: dict[str, Any]) -> None:
    """What SARIF 2.1.0 requires of what is used of it: sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.28, 3.30, 3.49."""
    assert told["version"] == "2.1.0"
    assert set(told) == {"$schema", "version", "runs"}
    for one in told["runs"]:
        driver = one["tool"]["driver"]
        assert isinstance(driver["name"], str)
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(ids) == len(set(ids))
        assert all(rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
                   for rule in driver["rules"])  # fmt: skip
        for base in one["originalUriBaseIds"].values():
            assert base["uri"].endswith("/")
        for result in one["results"]:
            assert result["message"]["text"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert ids[result["ruleIndex"]] == result["ruleId"]
            for place in result["locations"]:
                artifact = place["physicalLocation"]["artifactLocation"]
                assert artifact["uri"].isascii()
                assert " " not in artifact["uri"]
                assert artifact.get("uriBaseId", "DATASET") in one["originalUriBaseIds"]
                assert place["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1
            for suppression in result.get("suppressions", []):
                assert suppression["kind"] in ("inSource", "external")


@pytest.mark.parametrize("name", ["a b.txt", "ä/ü.txt", "50%.txt", "/data/a.txt", "C:\\data\\a.txt", "."])
def test_sarif_names_any_file(name: str) -> None:
    one = Finding("F01", Severity.ERROR, name, "x", line=3)
    told = as_sarif([one], all_rules(), "C:\\sets\\my set", "0.1.0")
    conforms(told)
    artifact = told["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert unquote(artifact["uri"]).endswith(name.replace("\\", "/").removeprefix("."))
    assert ("uriBaseId" in artifact) is not name.startswith(("/", "C:"))


# -- fixes -------------------------------------------------------------------------------------------------------------


def test_fixes_are_safe_kept_and_checked_again(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bad / "a.txt").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    before = {path.name: path.read_bytes() for path in bad.iterdir()}
    run(bad, "--fix", "--trainer", "simpletuner", "--json")
    told = json.loads(capsys.readouterr().out)
    assert {(one["rule"], one["file"]) for one in told["fixed"]} == {
        ("F12", "a.txt"), ("C05", "b.txt"), ("F03", "C.TXT"), ("F07", "sheet.png"),
    }  # fmt: skip
    assert all(one["gone"] for one in told["fixed"])
    assert (bad / "b.txt").read_bytes() == b"ema_voice, a woman, in a room.\n"
    assert (bad / "a.txt").read_bytes() == GOOD.encode()
    assert (bad / "c.txt").read_bytes() == before["C.TXT"]
    assert not (bad / "sheet.png").exists()
    kept = Path(told["kept_in"])
    assert kept.parent == bad.parent
    for name in ("b.txt", "C.TXT", "sheet.png"):
        assert (kept / name).read_bytes() == before[name]
    assert all((bad / f"{name}.mp4").read_bytes() == before[f"{name}.mp4"] for name in "abc")
    assert [one["rule"] for one in told["findings"] if one["rule"] in ("F01", "F03", "F07", "F12", "C05")] == []


def test_nothing_to_fix_leaves_nothing_behind(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(good, "--fix") == 0
    assert "nothing that --fix can mend safely" in capsys.readouterr().out
    assert [path.name for path in good.parent.iterdir()] == ["set"]


def test_silenced_findings_are_not_fixed(bad: Path) -> None:
    run(bad, "--fix", "--silence", "F12=as it is")
    assert (bad / "b.txt").read_bytes().startswith(b"\xef\xbb\xbf")


def test_clips_that_were_put_aside_leave_with_their_captions(good: Path) -> None:
    clip(good, "rejects/d.mp4")
    run(good, "--fix", "--trainer", "ai-toolkit")
    assert list((good / "rejects").iterdir()) == []
    assert sorted(path.name for path in (good.parent / "set.before-fix-1" / "rejects").iterdir()) == ["d.mp4", "d.txt"]


@pytest.mark.parametrize(
    "change",
    [Change("x", writes={"a.mp4": b""}), Change("x", writes={"../a.txt": b""}), Change("x", renames={"a.txt": "b.txt"}),
     Change("x", aside=("/etc/hosts",))],
)  # fmt: skip
def test_a_change_that_would_harm_is_refused(change: Change, good: Path) -> None:
    from captioner.checks.fixing import Backup

    before = {path: path.read_bytes() for path in good.iterdir()}
    with pytest.raises(UsageError):
        Backup(good).apply(change)
    assert {path: path.read_bytes() for path in good.iterdir()} == before


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_second_check_opens_nothing(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = probing.probed
    monkeypatch.setattr(probing, "probed", lambda path: opened.append(path.name) or real(path))
    first = check(Request(good))
    assert sorted(opened) == ["a.mp4", "b.mp4"]
    second = check(Request(good))
    assert len(opened) == 2
    assert (second.remembered, second.findings) == (True, first.findings)
    clip(good, "c.mp4", None)
    third = check(Request(good))
    assert opened[2:] == ["c.mp4"]
    assert [one.rule for one in third.findings] == ["F01"]


@pytest.mark.parametrize("changed", ["caption", "media", "trigger", "trainer", "gone"])
def test_whatever_changes_is_seen(changed: str, good: Path) -> None:
    check(Request(good))
    asked: dict[str, Any] = {}
    if changed == "caption":
        (good / "a.txt").write_text("")
    elif changed == "media":
        (good / "a.mp4").unlink()
        (good / "a.mp4").write_bytes(b"no film at all")
    elif changed == "gone":
        (good / "a.txt").unlink()
    elif changed == "trigger":
        asked["trigger"] = "bob"
    else:
        asked["trainer"] = "ltx"
    again = check(Request(good, **asked))
    assert not again.remembered
    assert again.findings


def test_a_damaged_memory_is_done_without(good: Path) -> None:
    place = Request(good).memory
    assert place is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"no database" * 1000)
    first = check(Request(good))
    assert (first.findings, first.clips) == ((), 2)
    assert check(Request(good)).remembered
    assert check(Request(good, memory=good / "a.mp4" / "no.sqlite")).clips == 2


# -- captioner's own datasets ------------------------------------------------------------------------------------------


def test_the_words_of_a_captioner_dataset_come_from_its_store(good: Path) -> None:
    from fractions import Fraction

    from captioner.store import ClipRow, Store, WrittenRow, pack
    from captioner.times import Span
    from captioner.types import Cut, Line, Word

    out = good.parent / "out"
    out.mkdir()
    good.rename(out / "clips")
    words = tuple(Word(text, Span.at(4 + number * 0.05, 4.04 + number * 0.05))
                  for number, text in enumerate(["Something", "else", "is", "said", "in", "here"]))  # fmt: skip
    cut = Cut("a", 100, 9, Fraction(25), (Line(words, "A"),))
    stat = (out / "clips" / "a.mp4").stat()
    with Store(out / ".captioner") as store:
        store.replace_clips("a", [ClipRow("a", "a", 0, pack(cut), b"")])
        store.set_written(WrittenRow("a", "k", "a.mp4", stat.st_size, stat.st_mtime_ns, GOOD, 0))
        told = found(out, "C12")  # also while a build is at work
    assert [one.file for one in told] == ["a.txt"]
    assert "'Something else is said in here'" in told[0].found
    assert found(out / "clips", "C12") == told
    (out / "clips" / "a.mp4").touch()
    assert found(out, "C12") == []


def test_help_of_the_command_is_quick_to_import() -> None:
    import subprocess
    import sys

    code = "import sys, captioner.checkcli\nprint(sorted({'numpy', 'av', 'yaml', 'sqlite3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
