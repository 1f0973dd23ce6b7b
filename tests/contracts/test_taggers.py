"""What every tagger backend does."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.errors import BackendMissing, WeightsMissing
from captioner.measures import Tag
from captioner.models.protocols import Tagger
from captioner.models.registry import backend_module, backends
from captioner.times import Span
from tests.hearing import RATE, Heard, hiss, recording, test_data

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", params=[*sorted(backends("tagger")), "yamnet"])
def tagger(request: pytest.FixtureRequest) -> Tagger:
    """Every backend with its default model, where that can be had here, and `onnx` with YAMNet by its path."""
    module = backend_module("tagger", "onnx" if request.param == "yamnet" else request.param)
    assert isinstance(module.VERSION, str)
    options = module.Options()
    if request.param == "yamnet":
        model = test_data() / "models" / "yamnet.tflite"
        if not model.is_file():
            pytest.skip("no YAMNet among the test recordings")
        options = module.Options(model=str(model), threads=2)
    elif request.param == "ced":
        options = module.Options(trust_remote_code=True)
    try:
        loaded: Tagger = module.load(options)
    except (BackendMissing, WeightsMissing) as error:
        pytest.skip(str(error))
    assert loaded.hears == module.HEARS
    return loaded


def seconds_of(tags: tuple[Tag, ...], label: str, inside: Span, least: float = 0.0) -> float:
    return sum(tag.span.overlap(inside) for tag in tags if tag.label == label and tag.score >= least)


def song(duration: float) -> np.ndarray:
    """A tune of struck harmonics over a bass, two notes a second."""
    at = np.arange(round(duration * RATE)) / RATE
    beat = at % 0.5
    tune = np.array([262.0, 330.0, 392.0, 523.0, 440.0, 392.0, 330.0, 294.0])[(at / 0.5).astype(int) % 8]
    bass = np.array([65.4, 98.0])[(at / 1.0).astype(int) % 2]
    notes = sum(np.sin(2 * np.pi * tune * k * at) * np.exp(-beat * 3 * k) / k for k in range(1, 7))
    low = sum(np.sin(2 * np.pi * bass * k * at) / k**2 for k in range(1, 5))
    return np.asarray(0.1 * notes + 0.1 * low, np.float32)


def test_a_tagger_says_what_it_listens_for(tagger: Tagger) -> None:
    assert tagger.hears
    assert tagger.tag([]) == []


@pytest.mark.parametrize("duration", [0.0, 1 / RATE, 0.01, 0.04, 0.3, 1.0, 61.0])
def test_silence_of_any_length_has_no_events(tagger: Tagger, duration: float) -> None:
    assert tagger.tag([Heard(np.zeros(round(duration * RATE), np.float32))]) == [()]


def test_tags_are_in_order_inside_the_recording_and_scored(tagger: Tagger) -> None:
    said = Heard(recording("audio/jfk.flac")[: 10 * RATE + 77])
    (tags,) = tagger.tag([said])
    assert tags
    assert list(tags) == sorted(tags, key=lambda tag: tag.span.start)
    assert all(0 <= tag.span.start < tag.span.end <= round(said.duration, 3) for tag in tags)
    assert all(0 < tag.score <= 1 for tag in tags)


def test_speech_is_speech_in_its_place_and_nothing_else(tagger: Tagger) -> None:
    said = recording("audio/ljspeech_LJ001-0007.flac")
    pause = hiss(3.0, -65)
    (tags,) = tagger.tag([Heard(np.concatenate([pause, said, pause]))])
    end = 3 + len(said) / RATE
    assert seconds_of(tags, "speech", Span.at(3, end), 0.5) > 0.9 * (end - 3)
    assert seconds_of(tags, "speech", Span.at(0, 2), 0.5) == 0
    assert seconds_of(tags, "music", Span.at(0, end + 3)) == 0
    assert seconds_of(tags, "singing", Span.at(0, end + 3), 0.9) == 0


@pytest.mark.parametrize(
    "name", ["sound/stream_of_water.mp4", "sound/esc10_dog_1-100032-A-0.wav", "sound/sound_sequence.flac"]
)
def test_water_a_dog_and_a_roar_are_not_music(tagger: Tagger, name: str) -> None:
    (tags,) = tagger.tag([Heard(recording(name))])
    assert seconds_of(tags, "music", Span.at(0, 60), 0.5) == 0
    assert seconds_of(tags, "singing", Span.at(0, 60), 0.5) == 0


@pytest.mark.parametrize("below", [5, 15])
def test_music_is_heard_alone_and_under_speech(tagger: Tagger, below: float) -> None:
    said = recording("audio/librispeech_1089-134686-0000.flac")
    played = song(len(said) / RATE)
    played *= np.sqrt(np.mean(said**2) / np.mean(played**2)) * 10 ** (-below / 20)
    alone, under = tagger.tag([Heard(played), Heard(said + played)])
    whole = Span.at(0, len(said) / RATE)
    assert seconds_of(alone, "music", whole, 0.75) > 0.8 * whole.duration
    assert seconds_of(under, "music", whole, 0.75) > 0.8 * whole.duration
    assert seconds_of(under, "speech", whole, 0.5) > 0.6 * whole.duration


def test_neighbours_change_nothing(tagger: Tagger) -> None:
    batch = [Heard(song(4.0)), Heard(recording("audio/jfk.flac")), Heard(hiss(0.04, -20))]
    assert tagger.tag(batch) == [tagger.tag([one])[0] for one in batch]


def test_a_long_recording_is_read_in_pieces_and_heard_as_one(tagger: Tagger) -> None:
    """What stands across the first minute is found as it is when it stands alone."""
    said = recording("audio/librispeech_1089-134686-0000.flac")
    lead = hiss(55.0, -65)
    long = Heard(np.concatenate([lead, said, hiss(75.0, -65)]))
    (tags,) = tagger.tag([long])
    (near,) = tagger.tag([Heard(np.concatenate([lead[-5 * RATE :], said, hiss(5.0, -65)]))])
    inside = Span.at(56, 54 + len(said) / RATE)
    moved = Span.at(6, 4 + len(said) / RATE)
    assert long.largest <= 90 * RATE
    assert seconds_of(tags, "speech", inside, 0.5) == pytest.approx(seconds_of(near, "speech", moved, 0.5), abs=0.2)


def test_progress_adds_up_to_the_duration(tagger: Tagger) -> None:
    told: list[float] = []
    tagger.tag([Heard(hiss(65.5, -40)), Heard(hiss(1.0, -40))], told.append)
    assert sum(told) == pytest.approx(66.5, abs=0.05)
