"""Two devices hear what one hears: each in a process of its own, with a real model, on real speech."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from captioner.engine.fleet import Fleet
from captioner.engine.remote import House, Remote, Way
from captioner.media.pcm import PcmFile
from captioner.models import cuda
from captioner.models.asr import faster_whisper
from captioner.models.protocols import Listening
from captioner.times import Span
from captioner.types import Transcript
from tests.hearing import RATE, recording

pytestmark = pytest.mark.models


def way(device: str) -> Way:
    options = faster_whisper.Options(device=device, beam_size=1, threads=1)
    return Way("captioner.models.asr.faster_whisper", options, device)


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def remotes(request: pytest.FixtureRequest) -> Iterator[list[Remote]]:
    devices = ["cpu", "cpu"] if request.param == "cpu" else [f"cuda:{number}" for number in range(cuda.count())][:2]
    if len(devices) < 2:
        pytest.skip("there is one GPU alone")
    houses = [House(f"card {number}") for number in range(2)]
    yield [Remote(house, "asr", [way(device)], [].append) for house, device in zip(houses, devices, strict=True)]
    for house in houses:
        house.close()


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Listening]:
    folder, found = tmp_path_factory.mktemp("takes"), []
    said = recording("audio/jfk.flac")
    talk = recording("audio/falcon_3speakers.wav")
    takes = (said, talk[: 9 * RATE], talk[9 * RATE : 16 * RATE], said[3 * RATE :], talk[: 5 * RATE])
    for number, sound in enumerate(takes):
        path = folder / f"take{number}.s16"
        path.write_bytes((sound * 32767).astype("<i2").tobytes())
        wave = PcmFile(path)
        found.append(Listening(wave, (Span.at(0.2, wave.duration - 0.2),), "en"))
    return found


def words(transcripts: list[Transcript]) -> list[list[str]]:
    return [[re.sub(r"\W", "", word.text).casefold() for word in transcript.words] for transcript in transcripts]


def test_two_devices_hear_the_words_of_one(remotes: list[Remote], items: list[Listening]) -> None:
    alone, both = remotes[0].transcribe(items), Fleet(remotes, [].append).transcribe(items)
    assert words(both) == words(alone)
    assert sum(map(len, words(both))) > 60
    starts = [
        abs(one.span.start - other.span.start)
        for ours, theirs in zip(both, alone, strict=True)
        for one, other in zip(ours.words, theirs.words, strict=True)
    ]
    assert np.max(starts) <= 0.05


def test_the_same_pack_is_heard_the_same_by_whoever_hears_it(remotes: list[Remote], items: list[Listening]) -> None:
    pack = items[:2]
    assert remotes[0].transcribe(pack) == remotes[1].transcribe(pack)
