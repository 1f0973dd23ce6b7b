"""What was measured in real recordings reads as its goldens do, in every dialect."""

from __future__ import annotations

import pytest

from captioner.templates_io import shipped_templates
from tests.goldens import make_datasets


@pytest.mark.parametrize("name", make_datasets.SETS)
@pytest.mark.parametrize("dialect", shipped_templates())
def test_real_clips_read_as_their_golden_does(name: str, dialect: str) -> None:
    kept = make_datasets.golden(name, dialect).read_text(encoding="utf-8").splitlines()
    assert kept
    assert make_datasets.captions(name, dialect) == kept


@pytest.mark.parametrize("name", make_datasets.SETS)
def test_every_golden_caption_holds_the_words_of_its_cut(name: str) -> None:
    for cut, line in zip(make_datasets.cuts_of(name), make_datasets.captions(name, "default"), strict=True):
        assert f'Speech: "{cut.text}"' in line
        assert line.count("ema_voice") == 1
