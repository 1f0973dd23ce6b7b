"""Settings and a Cut in, a Caption out: its length against what the trainer's text encoder takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from captioner.drafting import Drafter
from captioner.errors import SettingsError
from captioner.settings import Settings
from captioner.tokenizing import load_counter
from tests.goldens.make_captions import SAID, heard, made_cut

WORDS = {"[UNK]": 0, "ema": 1, ":": 2, '"': 3, "go": 4, ".": 5}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A tokenizer of whole words: what it does not know is one token."""
    spec = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None, "decoder": None, "model": {"type": "WordLevel", "vocab": WORDS, "unk_token": "[UNK]"},
    }  # fmt: skip
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    return path


def reasons(**settings: object) -> list[str]:
    drafter = Drafter.of(Settings.model_validate({"trigger": "ema", "template": "plain", **settings}))
    return [f"{doubt.reason}: {doubt.detail}" for doubt in drafter.draft(made_cut("go " * 9 + "."), None).doubts]


def test_a_caption_within_the_limit_is_not_doubted() -> None:
    assert reasons() == []


def test_a_caption_that_may_be_too_long_is_doubted_with_the_number_and_whole() -> None:
    assert reasons(max_tokens=20) == [
        "too-long-caption: the caption has up to 28 tokens (--tokenizer gives the exact number) and the text encoder "
        "takes 20: its end would be cut off unseen"
    ]
    drafter = Drafter.of(Settings(trigger="ema", template="plain", max_tokens=5))
    assert drafter.draft(made_cut(SAID), None).text == f'ema: "{SAID}"'


def test_with_the_encoders_tokenizer_tokens_are_counted(tokenizer: Path) -> None:
    assert reasons(max_tokens=13, tokenizer=str(tokenizer)) == []
    said = reasons(max_tokens=12, tokenizer=str(tokenizer.parent))
    assert said == [
        "too-long-caption: the caption has 13 tokens and the text encoder takes 12: its end would be cut off unseen"
    ]


def test_another_limit_or_tokenizer_makes_other_drafts(tokenizer: Path) -> None:
    made = [Settings(trigger="ema"), Settings(trigger="ema", max_tokens=9)]
    made += [Settings(trigger="ema", tokenizer=str(tokenizer)), Settings(trigger="ema", sounds_in_speech=True)]
    assert len({Drafter.of(settings).identity for settings in made}) == 4


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": 1}', "\xff"])
def test_a_tokenizer_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match="--tokenizer"):
        load_counter(str(path))


def test_sounds_stand_in_the_speech_only_where_they_are_asked_for_and_the_dialect_has_them() -> None:
    cut = made_cut(SAID)
    cut = replace(cut, scene=replace(cut.scene, events=(heard("Laughter", 0.85, 1.05),)))

    def drafted(**settings: object) -> str:
        return Drafter.of(Settings.model_validate({"trigger": "ema", **settings})).draft(cut, None).text

    assert "(laughs)" not in drafted()
    assert '"I think we (laughs) should' in drafted(sounds_in_speech=True)
    assert "(laughs)" not in drafted(sounds_in_speech=True, template="minimax-h3")
