"""Whisper on torch: the same words, times and numbers as through CTranslate2, and the arithmetic behind them."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import OutOfMemory, SettingsError, WeightsMissing
from captioner.models.asr import weights, whispertimes
from captioner.models.asr.calls import Amounts
from captioner.models.asr.engine import LOOP_TOKENS
from captioner.models.asr.packing import Piece
from captioner.models.asr.transcribing import Whisper
from captioner.models.protocols import Listening
from captioner.times import Span
from captioner.types import Transcript
from tests.hearing import RATE, Floats, Heard, recording

models = pytest.mark.models


# --- the cheapest path -----------------------------------------------------------------------------------------------


def cheapest(cost: Floats) -> float:
    """The price of the best path from the first cell to the last, by the book."""
    best = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    best[0, 0] = 0.0
    for i in range(1, best.shape[0]):
        for j in range(1, best.shape[1]):
            best[i, j] = cost[i - 1, j - 1] + min(best[i - 1, j - 1], best[i - 1, j], best[i, j - 1])
    return float(best[-1, -1])


def price(cost: Floats, reached: Any) -> float:
    """The least that a path with these first frames costs: to a token from the one before straight or slantwise."""
    total = 0.0
    tokens, frames = cost.shape
    for token in range(tokens):
        end = reached[token + 1] if token + 1 < tokens else frames - 1
        last = cost[token, reached[token] : end].sum()
        after = cost[token, end] if token + 1 == tokens or reached[token] == end else 0.0
        if token + 1 < tokens and reached[token] < end:
            after = min(0.0, cost[token, end])  # over the corner, or one more step first
        total += float(last + after)
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9), st.integers(1, 12))
def test_the_path_of_every_row_is_the_cheapest(seed: int, rows: int, tokens: int, frames: int) -> None:
    torch = pytest.importorskip("torch")
    chance = np.random.default_rng(seed)
    cost = chance.normal(size=(rows, tokens, frames)).astype(np.float32)
    counts = chance.integers(1, tokens + 1, rows).tolist()
    lengths = chance.integers(1, frames + 1, rows).tolist()
    found = whispertimes.paths(torch.from_numpy(cost), torch.tensor(counts), torch.tensor(lengths))
    for row, reached in enumerate(found.numpy()):
        own, reached = cost[row, : counts[row], : lengths[row]], reached[: counts[row]]
        assert reached[0] == 0
        assert (np.diff(reached) >= 0).all()
        assert price(own, reached) == pytest.approx(cheapest(own), abs=1e-4)


# --- with torch -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def base() -> Path:
    try:
        return weights.find_weights()
    except WeightsMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def whisper(torch: Any, base: Path) -> Any:
    from captioner.models.asr import whisper_torch

    return whisper_torch.load(whisper_torch.Options(model=str(base), device="cpu"))


@pytest.fixture(scope="module")
def ct2(base: Path) -> Any:
    from captioner.models.asr import faster_whisper as backend

    return backend.load(backend.Options(model=str(base), device="cpu", compute_type="float32", threads=2))


def piece(sound: Floats) -> Piece:
    whole = Span.at(0.0, round(len(sound) / RATE, 3))
    return Piece(0, whole, (whole,))


@pytest.fixture(scope="module")
def sounds() -> list[Floats]:
    return [recording("audio/jfk.flac"), recording("audio/falcon_3speakers.wav")[: 8 * RATE]]


@models
@pytest.mark.parametrize("beam", [5, 1])
def test_words_times_and_numbers_are_those_of_ctranslate2(
    whisper: Any, ct2: Any, sounds: list[Floats], beam: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine in (whisper._engine, ct2._engine):
        monkeypatch.setattr(engine, "_manner", replace(engine._manner, beam_size=beam))
    for sound, context in zip(sounds, (1500, 1200), strict=True):
        heard = []
        for engine in (whisper._engine, ct2._engine):
            states = engine.encode([sound], context)
            (probable,) = engine.detect(states)
            (hearing,) = engine.decode(states, [piece(sound)], "en")
            heard.append((hearing, probable))
        (ours, here), (theirs, there) = heard
        assert ours.text == theirs.text
        assert ours.log_probability == pytest.approx(theirs.log_probability, abs=2e-3)
        assert ours.no_speech == pytest.approx(theirs.no_speech, abs=2e-3)
        assert here == pytest.approx(there, abs=2e-3)
        for mine, their in zip(ours.words, theirs.words, strict=True):
            assert mine.span.start == pytest.approx(their.span.start, abs=0.041)
            assert mine.probability == pytest.approx(their.probability, abs=0.01)
            assert (mine.agreement is None) == (beam == 1)
            assert mine.agreement == pytest.approx(their.agreement, abs=0.05)


@models
@pytest.mark.parametrize(("recorded", "beam"), [(False, 5), (True, 5), (True, 1)])
def test_contexts_decoded_together_give_what_each_gives_alone(
    whisper: Any, sounds: list[Floats], recorded: bool, beam: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = whisper._engine
    monkeypatch.setattr(engine, "_manner", replace(engine._manner, beam_size=beam))
    own = [piece(sound) for sound in sounds]
    states = [engine.encode([sound], context)[0] for sound, context in zip(sounds, (1500, 1200), strict=True)]
    alone = [engine.decode([state], [of], "en")[0] for state, of in zip(states, own, strict=True)]
    # As on a GPU: rows and places filled up, which only their masks keep apart.
    monkeypatch.setattr(engine._search, "recorded", recorded)
    together = engine.decode([states[0], states[1], states[1]], [own[0], own[1], own[1]], "en")
    for one, other in zip((*alone, alone[1]), together, strict=True):
        assert other.text == one.text
        assert [word.span for word in other.words] == [word.span for word in one.words]
        assert other.log_probability == pytest.approx(one.log_probability, abs=1e-4)


@models
@pytest.mark.parametrize("beam", [5, 1])
def test_listening_by_products_of_matrices_hears_the_same(
    whisper: Any, sounds: list[Floats], beam: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = whisper._engine
    monkeypatch.setattr(engine, "_manner", replace(engine._manner, beam_size=beam))
    own = [piece(sound) for sound in sounds]
    states = [engine.encode([sound], context)[0] for sound, context in zip(sounds, (1500, 1200), strict=True)]
    right = engine.decode(states, own, "en")
    monkeypatch.setattr(engine._net, "by_products", True)  # as on a GPU
    for one, other in zip(right, engine.decode(states, own, "en"), strict=True):
        assert other.text == one.text
        assert other.log_probability == pytest.approx(one.log_probability, abs=1e-4)


@models
def test_a_decoded_piece_tells_its_languages_as_detection_does(
    whisper: Any, sounds: list[Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = whisper._engine
    own = [piece(sound) for sound in sounds]
    states = [engine.encode([sound], context)[0] for sound, context in zip(sounds, (1500, 1200), strict=True)]
    detected = [engine.detect([state])[0] for state in states]
    for heard, right in zip(engine.decode(states, own, "fr"), detected, strict=True):
        assert heard.spoken == pytest.approx(right, abs=1e-4)
        assert max(heard.spoken, key=lambda code: heard.spoken[code]) == "en"
    monkeypatch.setattr(engine, "_manner", replace(engine._manner, hotwords=("Ema",)))
    assert not engine.tells, "what goes before the start mark would be heard as well"
    assert all(not heard.spoken for heard in engine.decode(states, own, "en"))


@models
def test_only_undecided_languages_are_detected(
    whisper: Any, sounds: list[Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    detect = whisper._engine.detect

    def watched(states: Any) -> Any:
        asked.append(len(states))
        return detect(states)

    monkeypatch.setattr(whisper._engine, "detect", watched)
    items = [Listening(Heard(sound), piece(sound).speech, language) for sound in sounds for language in ("en", None)]
    done = whisper.transcribe(items)
    assert sum(asked) == 2
    assert [transcript.language for transcript in done] == ["en"] * 4
    (french,) = whisper.transcribe([Listening(Heard(sounds[0]), piece(sounds[0]).speech, "fr")])
    assert "wrong-language" in {doubt.reason for doubt in french.doubts}, "it was told though nobody detected it"
    assert sum(asked) == 2


@models
@pytest.mark.parametrize("recorded", [False, True])
def test_pieces_heard_alone_at_once_are_as_each_by_itself(
    whisper: Any, sounds: list[Floats], recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = whisper._engine
    own = [piece(sound) for sound in sounds]
    each = [engine.alone([sound], [of], "en")[0] for sound, of in zip(sounds, own, strict=True)]
    monkeypatch.setattr(engine._search, "recorded", recorded)
    together = engine.alone(sounds, own, "en")
    assert [hearing.text for hearing in together] == [hearing.text for hearing in each]
    assert each[0].text != each[1].text


@pytest.mark.parametrize("said", [1, 4, 5, 6, 11, 12])
def test_what_would_end_a_run_that_came_before_is_barred_and_nothing_else(said: int) -> None:
    torch = pytest.importorskip("torch")

    from captioner.models.asr.whisperbeam import Run

    size, vocabulary, reserve = 3, 4, 12
    chance = torch.Generator().manual_seed(said)
    run = Run.__new__(Run)
    run.request, run.net = SimpleNamespace(no_repeat=size), SimpleNamespace(device=torch.device("cpu"))  # type: ignore[assignment]
    run.said = torch.randint(vocabulary, (2, 3, reserve), generator=chance)
    run.step = torch.tensor([said])
    scores = torch.zeros(6, vocabulary)
    run._forbid_repeats(scores)
    for row, tokens in zip(scores, run.said.flatten(0, 1).tolist(), strict=True):
        past = tokens[:said]
        runs = {tuple(past[at : at + size]) for at in range(said - size + 1)}
        barred = {token for token in range(vocabulary) if said >= size and (*past[1 - size :], token) in runs}
        assert {token for token in range(vocabulary) if row[token] == -torch.inf} == barred
        assert all(row[token] == 0 for token in range(vocabulary) if token not in barred)


@models
def test_no_run_of_tokens_comes_twice_when_a_piece_is_heard_alone(whisper: Any, sounds: list[Floats]) -> None:
    engine = whisper._engine
    said: list[Any] = []
    search = engine._search

    class Kept:
        def __call__(self, states: Any, own: Any, request: Any) -> Any:
            said.append((request, search(states, own, replace(request, suppressed=(*request.suppressed, request.end)))))
            return said[-1][1]

    engine._search = Kept()
    try:
        engine.alone([sounds[0][: 2 * RATE]], [piece(sounds[0][: 2 * RATE])], "en")
    finally:
        engine._search = search
    request, (guess,) = said[0]
    assert request.no_repeat == LOOP_TOKENS
    tokens = guess.sequences_ids[0]
    assert len(tokens) == request.rooms[0], "it could not end, so it had to go on"
    runs = [tuple(tokens[at : at + LOOP_TOKENS]) for at in range(len(tokens) - LOOP_TOKENS + 1)]
    assert len(set(runs)) == len(runs)


def test_the_spectrogram_is_faster_whispers(torch: Any) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    from captioner.models.asr.logmel import LogMel

    chance = np.random.default_rng(3)
    extractor = FeatureExtractor(feature_size=80)
    sizes = ((1600, 1.0), (33_333, 0.01), (48_000, 0.3))
    sounds = [(chance.normal(size=size) * loud).astype(np.float32) for size, loud in sizes]
    found = LogMel(extractor.mel_filters, torch.device("cpu"))(sounds, 400).numpy()
    assert found.shape == (3, 80, 400)
    for sound, own in zip(sounds, found, strict=True):
        right = extractor(sound)[:, :-1]
        assert own[:, : right.shape[1]] == pytest.approx(right, abs=2e-3)
        assert not own[:, right.shape[1] :].any()


def test_the_spectrogram_of_a_sound_longer_than_its_context_is_that_of_its_beginning(torch: Any) -> None:
    from captioner.models.asr.logmel import LogMel

    chance = np.random.default_rng(4)
    filters = np.abs(chance.normal(size=(80, 201))).astype(np.float32)
    mel = LogMel(filters, torch.device("cpu"))
    long = chance.normal(size=70_000).astype(np.float32)
    for sounds in ([long], [long, long[:20_050], long[:63_999], long[:64_159]]):
        found = mel(sounds, 400)
        # Half a window past the context is still heard in its last frames.
        assert torch.equal(found[0], mel([long[: 64_000 + 200]], 400)[0])
        for own, sound in zip(found[1:], sounds[1:], strict=True):
            assert own == pytest.approx(mel([sound], 400)[0], abs=1e-4)


@models
def test_a_batch_is_encoded_while_another_is_decoded(whisper: Any, sounds: list[Floats], monkeypatch: Any) -> None:
    engine = whisper._engine
    states = engine.encode([sounds[0]], 1500)
    (alone,) = engine.decode(states, [piece(sounds[0])], "en")
    entered, go_on = threading.Event(), threading.Event()
    search = engine._search

    def slowly(*given: Any) -> Any:
        entered.set()
        assert go_on.wait(60.0), "encoding waited for the decoder"
        return search(*given)

    monkeypatch.setattr(engine, "_search", slowly)
    with ThreadPoolExecutor(2) as pool:
        decoding = pool.submit(engine.decode, states, [piece(sounds[0])], "en")
        try:
            assert entered.wait(60.0)
            encoded = pool.submit(engine.encode, [sounds[1]], 1200).result(60.0)
        finally:
            go_on.set()
        assert engine.length(encoded[0]) == 1200
        assert decoding.result(60.0) == [alone]


@models
def test_noise_is_heard_first_and_changes_nothing(whisper: Any, sounds: list[Floats]) -> None:
    """What a GPU does when it is loaded."""
    engine = whisper._engine
    before = engine.decode(engine.encode(sounds[:1], 1000), [piece(sounds[0])], "en")
    engine.warm()
    assert engine.decode(engine.encode(sounds[:1], 1000), [piece(sounds[0])], "en") == before


def test_the_median_of_seven_is_the_median(torch: Any) -> None:
    values = torch.from_numpy(np.random.default_rng(1).permuted(np.tile(np.arange(7.0), (500, 1)), axis=1))
    assert whispertimes._median(list(values.T)).tolist() == [3.0] * 500


def test_weights_in_transformers_layout_give_transformers_numbers(torch: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from captioner.models.asr.whispernet import Net
    from captioner.models.asr.whisperweights import from_transformers

    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=120, num_mel_bins=80, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_source_positions=50,
        max_target_positions=40, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    net = Net(from_transformers(model.state_dict(), 2, None), torch.device("cpu"), torch.float32)
    mel, tokens = torch.randn(2, 80, 100), torch.randint(3, 120, (2, 9))
    with torch.inference_mode():
        right = model(input_features=mel, decoder_input_ids=tokens)
        states = net.encode(mel)
        place = torch.arange(9)
        hidden = net.decode(
            tokens, place, lambda _, new: new, lambda layer: net.cross(states, layer), place[:, None] >= place
        )
        assert states.numpy() == pytest.approx(right.encoder_last_hidden_state.numpy(), abs=1e-4)
        assert net.scores(hidden).numpy() == pytest.approx(right.logits.numpy(), abs=1e-4)
    assert net.alignment_heads == ((1, 0), (1, 1)), "all of the later half where nobody measured"


def test_a_damaged_model_is_told(torch: Any, base: Path, tmp_path: Path) -> None:
    from captioner.models.asr import whisper_torch

    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(base / name, tmp_path / name)
    (tmp_path / "model.bin").write_bytes((base / "model.bin").read_bytes()[:100_000])
    with pytest.raises(WeightsMissing, match="cut off"):
        whisper_torch.load(whisper_torch.Options(model=str(tmp_path), device="cpu"))
    (tmp_path / "model.bin").write_bytes(b"\7\0\0\0")
    with pytest.raises(WeightsMissing, match="version 7"):
        whisper_torch.load(whisper_torch.Options(model=str(tmp_path), device="cpu"))
    with pytest.raises(SettingsError, match="'tpu'"):
        whisper_torch.load(whisper_torch.Options(model=str(base), device="tpu"))


@models
def test_the_encoder_of_torch_before_ctranslate2s_decoder_changes_no_word(
    torch: Any, base: Path, ct2: Any, sounds: list[Floats]
) -> None:
    from captioner.models.asr import faster_whisper as backend

    options = backend.Options(model=str(base), device="cpu", compute_type="float32", encoder="torch", threads=2)
    hybrid = backend.load(options)._engine
    own = piece(sounds[0])
    said = [engine.decode(engine.encode([sounds[0]], 1500), [own], "en")[0] for engine in (hybrid, ct2._engine)]
    assert said[0].text == said[1].text
    assert said[0].log_probability == pytest.approx(said[1].log_probability, abs=1e-3)


def plain(transcript: Transcript) -> list[str]:
    """The words without their marks: a full stop may turn on the last bit of half precision."""
    return [word.text.strip(".,?!;:").casefold() for word in transcript.words]


@pytest.mark.gpu
@models
def test_a_gpu_says_what_the_cpu_says(whisper: Any, base: Path, sounds: list[Floats]) -> None:
    from captioner.models.asr import faster_whisper, whisper_torch

    items = [Listening(Heard(sound), piece(sound).speech, "en") for sound in sounds * 3]
    right = [plain(transcript) for transcript in whisper.transcribe(items)]
    for backend in (whisper_torch, faster_whisper):
        on_gpu = backend.load(backend.Options(model=str(base), device="cuda"))
        for _ in range(2):  # recorded, and replayed
            said = [plain(transcript) for transcript in on_gpu.transcribe(items)]
            assert said == right


# --- batches that do not fit, and several lanes -----------------------------------------------------------------------


class Narrow:
    """An engine whose memory holds `room` frames; says how long each piece is."""

    multilingual = True
    languages = frozenset({"en", "fr"})

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def encode(self, sounds: Any, context: int) -> list[Any]:
        self.tried.append(len(sounds) * context)
        if self.tried[-1] > self.room:
            raise OutOfMemory("too much")
        return [(context, sound[0] if len(sound) else 0.0) for sound in sounds]

    def detect(self, states: Any) -> list[dict[str, float]]:
        return [{"en": 0.9, "fr": 0.1} if mark < 0.5 else {"fr": 0.95, "en": 0.05} for _, mark in states]

    def decode(self, states: Any, own: Any, language: str) -> list[Any]:
        from captioner.models.asr.guards import Hearing
        from captioner.types import Word

        return [Hearing((Word(language, of.speech[0]),), -0.1) for of in own]

    def alone(self, sounds: Any, own: Any, language: str) -> list[Any]:
        return self.decode(sounds, own, language)


def talks(count: int) -> Iterator[Listening]:
    for number in range(count):
        mark = 0.9 if number % 3 == 0 else 0.1
        yield Listening(Heard(np.full(5 * RATE, mark, np.float32)), (Span.at(0.5, 1.2), Span.at(1.4, 2.1)), None)


class Asked:
    language: str | None = None
    hotwords: tuple[str, ...] = ()


def test_a_batch_that_does_not_fit_is_halved_and_the_next_are_smaller() -> None:
    engine = Narrow(2_400)
    whisper = Whisper(engine, Asked(), Amounts(pieces=64, frames=20_000, held=20_000))
    done = whisper.transcribe(list(talks(20)))
    assert [len(transcript.words) for transcript in done] == [1] * 20
    first = len(engine.tried)
    assert max(engine.tried) > engine.room
    whisper.transcribe(list(talks(20)))
    assert max(engine.tried[first:]) <= engine.room, "remembered"
    with pytest.raises(OutOfMemory):
        Whisper(Narrow(10), Asked()).transcribe(list(talks(1)))


def test_several_lanes_say_what_one_says() -> None:
    items = list(talks(40))
    one = Whisper(Narrow(10**9), Asked(), Amounts(pieces=4, frames=4_000, held=4_000, lanes=1)).transcribe(items)
    turns = sys.getswitchinterval()
    several = Whisper(Narrow(10**9), Asked(), Amounts(pieces=4, frames=4_000, held=4_000, lanes=4)).transcribe(items)
    assert sys.getswitchinterval() == turns
    assert several == one
    assert [transcript.language for transcript in one[:3]] == ["fr", "en", "en"]
