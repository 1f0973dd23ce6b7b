"""`--listen`: levels, speech and a second hearing, by the embedded models on real speech."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from captioner.checks.keeping import Memory
from captioner.checks.running import Request, check, view_of
from captioner.media.cutting import ClipSpec, write_clips
from captioner.media.probe import probe
from captioner.types import Cut, Recording
from tests.factory import Audio, Video, make, tone

FILM = Path(__file__).parent.parent / "sample_dataset" / "raw" / "public-domain-and-bsd" / "sonnet.mp4"
SAID = "From fairest creatures we desire increase,"

pytestmark = [pytest.mark.models, pytest.mark.skipif(not FILM.exists(), reason="no sample clips here")]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 81 frames in which one line of a sonnet is read."""
    recording = Recording(str(FILM), FILM.name, "sonnet", "0" * 64, *probe(FILM))
    folder = tmp_path_factory.mktemp("spoken")
    return write_clips(recording, None, [Cut("sonnet", 61, 81, Fraction(25), ())], ClipSpec(), folder)[0].path


def dataset(root: Path, spoken: Path, caption: str) -> Path:
    root.mkdir()
    (root / "a.mp4").write_bytes(spoken.read_bytes())
    (root / "a.txt").write_text(caption)
    return root


def test_a_second_hearing_is_held_against_the_caption(spoken: Path, tmp_path: Path) -> None:
    right = dataset(tmp_path / "right", spoken, f'ema_voice. Speech: "{SAID}"')
    wrong = dataset(tmp_path / "wrong", spoken, 'ema_voice. Speech: "The weather will be cold and wet today."')
    none = dataset(tmp_path / "none", spoken, "[VISUAL]: a room. [SPEECH]: None. [SOUNDS]: quiet.")
    place = tmp_path / "memory.sqlite"

    def told(root: Path, **asked: object) -> list[str]:
        report = check(Request(root, listen=True, memory=place, **asked))  # type: ignore[arg-type]
        assert "C12" in report.ran
        return [one.found for one in report.findings if one.rule == "C12"]

    assert told(right) == []
    assert len(told(wrong)) == 1
    assert "creatures" in told(wrong)[0]
    assert "nobody speaks" in told(none)[0]
    with Memory(place) as memory:
        assert memory.facts(right, "heard", dict)


def test_levels(tmp_path: Path) -> None:
    make(tmp_path / "loud.mov", Video(frames=25), Audio(tone(440, 1.0, 48_000, 0.5), 48_000, codec="pcm_s16le"))
    make(tmp_path / "mute.mp4", Video(frames=25), Audio(np.zeros(48_000, dtype=np.float32), 48_000))
    make(tmp_path / "film.mp4", Video(frames=25))
    clips = view_of(Request(tmp_path, listen=True, memory=None)).by_name
    assert clips["loud.mov"].media.peak == pytest.approx(-6.0, abs=0.7)
    assert clips["loud.mov"].media.level == pytest.approx(-9.0, abs=0.7)
    assert clips["mute.mp4"].media.level == -math.inf
    assert clips["film.mp4"].media.level is None
    assert all(not clip.speech for clip in clips.values())
