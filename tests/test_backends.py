"""Which backend each role has, and what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.backends import choose_backends
from captioner.errors import SettingsError
from captioner.settings import Settings


@pytest.fixture
def glossary(tmp_path: Path) -> str:
    path = tmp_path / "names.txt"
    path.write_text("Ema\n# nobody\nDigium\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("asr", ["faster_whisper", "whisper_torch"])
def test_a_transcriber_is_told_the_names_to_expect(asr: str, glossary: str) -> None:
    chosen = choose_backends(Settings(asr=asr, glossary=glossary, verbatim=True))["asr"]
    assert (chosen.options.hotwords, chosen.options.verbatim) == (("Ema", "Digium"), True)


def test_what_a_transcriber_cannot_do_is_said_before_it_is_left_undone(glossary: str) -> None:
    with pytest.raises(SettingsError, match=r"--glossary: --asr parakeet cannot do that; .* --asr faster_whisper"):
        choose_backends(Settings(asr="parakeet", glossary=glossary))
    with pytest.raises(SettingsError, match="--verbatim: --asr parakeet"):
        choose_backends(Settings(asr="parakeet", verbatim=True))
    assert choose_backends(Settings(asr="parakeet", language="en"))["asr"].options.language == "en"


def test_words_that_are_replayed_were_heard_long_ago(glossary: str, tmp_path: Path) -> None:
    options = {"path": str(tmp_path)}
    assert choose_backends(Settings(asr="ctm", asr_options=options, glossary=glossary))["asr"].name == "ctm"
