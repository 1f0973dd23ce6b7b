"""Parakeet: words from tokens and frames; transformers' own spectrogram, search and times; packs, memory and faults."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.errors import ModelError, OutOfMemory, SettingsError, WeightsMissing
from captioner.models.asr import parakeet, parakeetfiles
from captioner.models.asr.tokenwords import EUROPEAN, Token, languages_of, mean_log_probability, raw_words
from captioner.models.fitting import Room
from captioner.models.protocols import Listening
from captioner.times import Span
from captioner.types import Transcript
from tests import parakeets
from tests.hearing import RATE, Floats, Heard

FRAME = 0.08

# --- words from tokens ------------------------------------------------------------------------------------------------


@st.composite
def spelt(draw: st.DrawFn) -> list[list[Token]]:
    """Words, each as its tokens: in order, as a transducer says them."""
    words, frame = [], draw(st.integers(0, 5))
    for _ in range(draw(st.integers(1, 6))):
        own: list[Token] = []
        for number in range(draw(st.integers(1, 4))):
            piece = draw(st.text("abcdé", min_size=1, max_size=3))
            length = draw(st.integers(0, 4))
            sure = draw(st.floats(-5.0, 0.0))
            own.append(Token(piece if number else "▁" + piece, frame, frame + length, sure))
            frame += length
        words.append(own)
        frame += draw(st.integers(0, 9))
    return words


@given(spelt())
def test_tokens_make_the_words_that_they_spell_where_they_were_said(words: list[list[Token]]) -> None:
    found = raw_words([token for word in words for token in word], FRAME)
    assert [word.text for word in found] == ["".join(token.piece for token in own)[1:] for own in words]
    for word, own in zip(found, words, strict=True):
        assert word.start == pytest.approx(own[0].start * FRAME)
        assert word.end == pytest.approx(own[-1].end * FRAME)
        assert word.probability == pytest.approx(min(math.exp(token.log_probability) for token in own))
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(found))


@given(spelt(), st.integers(1, 9), st.floats(-9.0, 0.0))
def test_a_mark_makes_no_word_longer(words: list[list[Token]], length: int, sure: float) -> None:
    tokens = [token for word in words for token in word]
    last = tokens[-1]
    plain = raw_words(tokens, FRAME)
    for piece in (".", "▁."):
        marked = raw_words([*tokens, Token(piece, last.end, last.end + length, sure)], FRAME)
        assert marked[-1].text == plain[-1].text + "."
        assert (marked[-1].start, marked[-1].end) == (plain[-1].start, plain[-1].end)
        assert len(marked) == len(plain)


def told(*pieces: str) -> list[str]:
    return [word.text for word in raw_words([Token(piece, at, at + 1, -0.1) for at, piece in enumerate(pieces)], FRAME)]


def test_how_pieces_are_written() -> None:
    assert told("▁I", "'", "m", "▁the", "re", ",", "▁1", "0", "%") == ["I'm", "there,", "10%"]
    assert told("▁", "A", "▁", "▁b") == ["A", "b"], "a start by itself is no word"
    assert told("▁", "<0xC3>", "<0xA9>", "t", "é") == ["été"], "bytes make their letter"
    assert told("▁", "¿", "▁que", "▁", "—", "▁no") == ["¿que—", "no"], "marks alone go to a word"
    assert told("", "▁yes", "") == ["yes"], "the model's own marks are not written"
    assert told("?") == []
    assert told() == []


def test_scripts_without_blanks_have_a_word_a_token() -> None:
    tokens = [Token("▁今", 0, 1, 0.0), Token("日", 1, 2, 0.0), Token("は", 2, 3, 0.0)]
    assert [word.text for word in raw_words(tokens, FRAME, unspaced=True)] == ["今", "日", "は"]


def test_a_sign_that_the_model_cannot_write_makes_its_word_unsure() -> None:
    tokens = [Token("▁M", 0, 1, -0.01), Token("<unk>", 1, 2, -0.01), Token("ller", 2, 4, -0.01)]
    (word,) = raw_words(tokens, FRAME)
    assert (word.text, word.probability) == ("Mller", 0.0)


def test_the_mean_is_over_all_tokens() -> None:
    assert mean_log_probability([Token("a", 0, 1, -1.0), Token("", 1, 1, -3.0)]) == -2.0
    assert mean_log_probability([]) is None


def test_a_vocabulary_tells_its_languages_or_none() -> None:
    assert languages_of(["<unk>", "▁the", "'", "9"]) == {"en"}
    assert languages_of(["▁a", "▁für", "ς", "λ", "ж"]) == EUROPEAN
    assert len(EUROPEAN) == 25
    assert languages_of(["▁für", "▁a"]) is None


# --- with torch -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    pytest.importorskip("transformers")
    found = pytest.importorskip("torch")
    found.set_num_threads(2)
    return found


@pytest.fixture(scope="module")
def folders(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: parakeets.make(tmp_path_factory.mktemp(kind), kind) for kind in parakeets.KINDS}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, Any]:
    return {
        kind: parakeet.load(parakeet.Options(model=str(folder), device="cpu")) for kind, folder in folders.items()
    }  # fmt: skip


def noise(seconds: float, seed: int) -> Floats:
    """Noise whose loudness goes up and down, so that frames differ."""
    chance = np.random.default_rng(seed)
    count = round(seconds * RATE)
    knots = np.arange(0, count + 8000, 4000)
    swell = np.interp(np.arange(count), knots, chance.uniform(0, 1, len(knots)))
    return np.asarray(0.3 * chance.standard_normal(count) * swell, np.float32)


@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1600, 40_000), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_the_spectrogram_is_transformers(loaded: dict[str, Any], lengths: list[int], seed: int) -> None:
    import transformers

    sounds = [noise(length / RATE, seed + at)[:length] for at, length in enumerate(lengths)]
    right = transformers.ParakeetFeatureExtractor(feature_size=parakeets.BANDS)(sounds, sampling_rate=RATE)
    features, frames = loaded["tdt"]._net.spectra(*loaded["tdt"]._net.laid(sounds))
    wide = right["input_features"].shape[1]
    assert features[:, :wide].numpy() == pytest.approx(right["input_features"].numpy(), abs=2e-3)
    assert frames.tolist() == right["attention_mask"].sum(1).tolist()
    assert not features[:, wide:].any()


@pytest.mark.parametrize("kind", ["tdt", "rnnt"])
def test_tokens_and_times_are_those_of_transformers(
    folders: dict[str, Path], loaded: dict[str, Any], kind: str
) -> None:
    import transformers

    sounds = [noise(seconds, 7 + at) for at, seconds in enumerate((3.0, 1.3, 4.1, 0.5))]
    found = loaded[kind]._net(sounds)
    processor = transformers.AutoProcessor.from_pretrained(folders[kind])
    model = getattr(transformers, f"ParakeetFor{kind.upper()}").from_pretrained(folders[kind])
    said = 0
    for own, sound in zip(found, sounds, strict=True):  # one by one: its rows do not end by themselves
        right = model.generate(**processor([sound], sampling_rate=RATE), max_new_tokens=2000)
        blank = model.config.blank_token_id
        ids, lengths = right.sequences[0].tolist(), right.durations[0].tolist()
        places = np.cumsum(lengths) - lengths
        expected = [
            (parakeets.PIECES[token] if token else "<unk>", int(place), int(place) + (length if kind == "tdt" else 1))
            for token, place, length in zip(ids, places, lengths, strict=True)
            if token != blank
        ]
        last = math.ceil(len(sound) // 160 / 8)
        assert [(token.piece, token.start, token.end) for token in own] == [
            (piece, start, min(end, last)) for piece, start, end in expected
        ]
        said += len(own)
    assert said > 20
    assert len({token.piece for own in found for token in own}) > 5


def test_ctc_tokens_are_those_of_transformers(folders: dict[str, Path], loaded: dict[str, Any]) -> None:
    import transformers

    sounds = [noise(seconds, 7 + at) for at, seconds in enumerate((3.0, 1.3, 4.1))]
    processor = transformers.AutoProcessor.from_pretrained(folders["ctc"])
    model = transformers.ParakeetForCTC.from_pretrained(folders["ctc"])
    right = model.generate(**processor(sounds, sampling_rate=RATE)).tolist()
    for row, own in zip(right, loaded["ctc"]._net(sounds), strict=True):
        for token in own:
            number = parakeets.PIECES.index(token.piece)
            assert row[token.start : token.end] == [number] * (token.end - token.start)
            assert token.start == 0 or row[token.start - 1] != number
            assert row[token.end :][:1] != [number]
        assert sum(token.end - token.start for token in own) == sum(n != len(parakeets.PIECES) for n in row)
        assert len(own) > 5


@pytest.mark.parametrize("kind", parakeets.KINDS)
def test_a_row_is_heard_as_it_is_alone(loaded: dict[str, Any], kind: str) -> None:
    net = loaded[kind]._net
    sounds = [noise(seconds, 20 + at) for at, seconds in enumerate((0.02, 2.2, 6.7, 1.0))]
    for own, sound in zip(net(sounds), sounds, strict=True):
        (alone,) = net([sound])
        assert [(t.piece, t.start, t.end) for t in own] == [(t.piece, t.start, t.end) for t in alone]
        sure = [token.log_probability for token in alone]
        assert [token.log_probability for token in own] == pytest.approx(sure, abs=1e-3)


@pytest.mark.parametrize("kind", ["tdt", "rnnt"])
def test_a_model_that_never_says_its_blank_comes_to_an_end(torch: Any, folders: dict[str, Path], kind: str) -> None:
    net = parakeet.load(parakeet.Options(model=str(folders[kind]), device="cpu"))._net  # type: ignore[attr-defined]
    config = net._model.config
    with torch.no_grad():
        net._model.joint.head.bias[config.blank_token_id] = -1e4
        if kind == "tdt":
            net._model.joint.head.bias[config.vocab_size] = 1e4  # no token takes any time
    (one, other) = net([noise(1.0, 1), noise(0.4, 2)])
    assert len(one) == config.max_symbols_per_step * 13
    assert len(other) == config.max_symbols_per_step * 5
    assert {token.start for token in other} == set(range(5))


# --- recordings -------------------------------------------------------------------------------------------------------


def batch() -> list[Listening]:
    spans = (Span.at(0.5, 3.0), Span.at(3.4, 9.0), Span.at(20.0, 58.0), Span.at(58.5, 69.0))
    return [
        Listening(Heard(noise(70.0, 1)), spans), Listening(Heard(noise(3.0, 2)), (Span.at(0.4, 2.5),)),
        Listening(Heard(noise(2.0, 3)), ()), Listening(Heard(noise(0.01, 4)), (Span.at(0.0, 0.01),)),
    ]  # fmt: skip


def texts(done: Sequence[Transcript]) -> list[list[tuple[str, Span]]]:
    return [[(word.text, word.span) for word in transcript.words] for transcript in done]


@pytest.mark.parametrize("kind", parakeets.KINDS)
def test_words_stand_in_their_recordings_and_packs_change_nothing(loaded: dict[str, Any], kind: str) -> None:
    items = batch()
    steps: list[float] = []
    done = loaded[kind].transcribe(items, steps.append)
    assert sum(steps) == pytest.approx(sum(item.audio.duration for item in items), abs=1e-6)
    assert len(done[0].words) > 30
    assert done[2].words == ()
    for item, transcript in zip(items, done, strict=True):
        assert all(0.0 <= word.span.start < word.span.end <= item.audio.duration for word in transcript.words)
        assert all(a.span.end <= b.span.start for a, b in pairwise(transcript.words))
        assert transcript.language == "en"
        pieces = [heard.span for heard in transcript.heard]
        assert all(any(piece.contains(word.span) for piece in pieces) for word in transcript.words)
        assert all(any(piece.contains(span) for piece in pieces) for span in item.speech if span.duration < 20)
    assert loaded[kind].transcribe(batch()) == done, "the same pack twice"
    assert texts([loaded[kind].transcribe([items[1]])[0]]) == texts([done[1]])


def test_a_long_recording_is_read_in_pieces(loaded: dict[str, Any]) -> None:
    sound = Heard(noise(400.0, 5))
    loaded["ctc"].transcribe([Listening(sound, (Span.at(0.0, 400.0),))])
    assert sound.largest <= 30 * RATE


def test_where_memory_runs_out_batches_are_halved(loaded: dict[str, Any]) -> None:
    whole = loaded["tdt"]
    net = Narrow(whole._net, 2)
    tight = parakeet.Parakeet(net, None, frozenset({"en"}), Room(9000), 768, 1)  # type: ignore[arg-type]
    items = [Listening(Heard(noise(2.0, seed)), (Span.at(0.1, 1.9),)) for seed in range(7)]
    assert texts(tight.transcribe(items)) == texts(whole.transcribe(items))
    assert net.refused > 0
    assert net.let_goes == net.refused
    tried = net.refused
    tight.transcribe(items)
    assert net.refused == tried, "the size that fits is remembered"
    with pytest.raises(OutOfMemory):
        parakeet.Parakeet(Narrow(whole._net, 0), None, None, Room(9000), 768, 1).transcribe(items)  # type: ignore[arg-type]


class Narrow:
    """A net with memory for so many sounds."""

    def __init__(self, net: Any, most: int) -> None:
        self._net, self._most, self.frame = net, most, net.frame
        self.refused = self.let_goes = 0

        self.laid, self.told = net.laid, net.told

    def heard(self, given: Any) -> Any:
        if len(given[1]) > self._most:
            self.refused += 1
            raise OutOfMemory("no room")
        return self._net.heard(given)

    def let_go(self) -> None:
        self.let_goes += 1


def test_lanes_change_nothing_and_tell_what_went_wrong(loaded: dict[str, Any]) -> None:
    net = loaded["rnnt"]._net
    laned = parakeet.Parakeet(net, None, frozenset({"en"}), Room(1200), 768, 2)
    single = parakeet.Parakeet(net, None, frozenset({"en"}), Room(1200), 768, 1)
    assert laned.transcribe(batch()) == single.transcribe(batch())
    with pytest.raises(OutOfMemory):
        parakeet.Parakeet(Narrow(net, 0), None, None, Room(1200), 768, 2).transcribe(batch())  # type: ignore[arg-type]


def test_repeats_and_lost_speech_are_doubted(loaded: dict[str, Any]) -> None:
    class Same(Narrow):
        def heard(self, given: Any) -> Any:
            return [[(parakeets.PIECES.index("▁no"), at, at + 1, -0.1) for at in range(8)] for _ in given[1]]

    said = Same(loaded["tdt"]._net, 9)
    heard = parakeet.Parakeet(said, None, frozenset({"en"}), Room(9000), 9, 1)  # type: ignore[arg-type]
    (transcript,) = heard.transcribe([Listening(Heard(noise(6.0, 1)), (Span.at(0.0, 5.5),))])
    assert {doubt.reason for doubt in transcript.doubts} >= {"repetition", "unheard-speech"}


def test_languages_are_what_is_known_of_them(loaded: dict[str, Any]) -> None:
    item = batch()[1]
    english = loaded["ctc"]
    assert english.transcribe([item])[0].language == "en"
    with pytest.raises(SettingsError, match=r"'de'.*it knows en"):
        english.transcribe([Listening(item.audio, item.speech, "de")])
    several = parakeet.Parakeet(english._net, None, EUROPEAN, Room(9000), 9, 1)
    assert several.transcribe([item])[0].language is None, "the model does not say"
    assert several.transcribe([Listening(item.audio, item.speech, "de")])[0].language == "de"
    russian = several.transcribe([Listening(item.audio, item.speech, "ru")])[0]
    assert "wrong-language" in {doubt.reason for doubt in russian.doubts}
    assert "wrong-language" not in {doubt.reason for doubt in several.transcribe([item])[0].doubts}
    with pytest.raises(SettingsError, match="'ja'"):
        several.transcribe([Listening(item.audio, item.speech, "ja")])


# --- loading ----------------------------------------------------------------------------------------------------------


def opened(folder: Path | str, **more: Any) -> Any:
    return parakeet.load(parakeet.Options(model=str(folder), device="cpu", **more))


def test_a_folder_needs_no_network(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert opened(folders["tdt"]).transcribe([]) == []


def test_what_is_missing_is_told(
    torch: Any, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsMissing, match="there is no such folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(WeightsMissing, match=r"config.json, tokenizer.json, \*.safetensors missing.*convert_nemo"):
        opened(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"fetch-models --asr nvidia/parakeet-tdt-0\.6b-v3"):
        parakeet.load(parakeet.Options(device="cpu"))
    for name, value in (("batch_size", -1), ("precision", "int8")):
        with pytest.raises(SettingsError, match=name):
            opened(folders["tdt"], **{name: value})
    with pytest.raises(SettingsError, match="'fr'"):
        opened(folders["tdt"], language="fr")


def damaged(source: Path, folder: Path, **files: Any) -> Path:
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name, change in files.items():
        file = folder / f"{name}.json"
        value = json.loads(file.read_text())
        change(value)
        file.write_text(json.dumps(value))
    return folder


def test_a_damaged_folder_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    source = folders["tdt"]
    other = damaged(source, tmp_path / "other", config=lambda value: value.update(model_type="whisper"))
    with pytest.raises(ModelError, match="whisper model; asr parakeet takes parakeet_tdt"):
        opened(other)

    def unmarked(value: Any) -> None:
        value["model"]["vocab"] = {piece.replace("▁", "_"): at for piece, at in value["model"]["vocab"].items()}

    with pytest.raises(ModelError, match="no token begins with"):
        opened(damaged(source, tmp_path / "unmarked", tokenizer=unmarked))
    with pytest.raises(ModelError, match="another model's"):
        opened(damaged(source, tmp_path / "more", tokenizer=lambda value: value["model"]["vocab"].update({"xyz": 999})))
    with pytest.raises(WeightsMissing, match="no tokenizer that can be read"):
        opened(damaged(source, tmp_path / "less", tokenizer=lambda value: value.pop("model")))
    with pytest.raises(WeightsMissing, match="it hears 8000 Hz"):
        opened(
            damaged(
                source, tmp_path / "slow", processor_config=lambda v: v["feature_extractor"].update(sampling_rate=8000)
            )
        )
    blind = damaged(source, tmp_path / "blind")
    (blind / "processor_config.json").unlink()
    with pytest.raises(WeightsMissing, match=r"preprocessor_config\.json"):
        opened(blind)
    cut = damaged(source, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(WeightsMissing, match="cannot be loaded"):
        opened(cut)


def test_the_spectrograms_settings_may_stand_in_a_file_of_their_own(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = damaged(folders["tdt"], tmp_path / "own")
    settings = json.loads((folder / "processor_config.json").read_text())["feature_extractor"]
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    sound = noise(2.0, 3)
    assert opened(folder)._net([sound]) == opened(folders["tdt"])._net([sound])


def test_weights_that_are_not_all_there_are_never_made_up(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = damaged(folders["tdt"], tmp_path / "less")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("joint.head.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsMissing, match=r"1 of its weights missing: joint\.head\.weight"):
        opened(folder)


def test_fetch_models_knows_what_it_needs(tmp_path: Path) -> None:
    from captioner import fetchcli
    from captioner.settings import Settings

    for chosen, repository in ((None, parakeetfiles.DEFAULT), ("some/conformer", "some/conformer")):
        asked = fetchcli.of_settings(Settings(asr="parakeet", model=chosen))[0]
        item = fetchcli.ITEMS[asked[0]](asked[1])
        assert item.wanted == parakeetfiles.wanted(repository)
    assert fetchcli.ITEMS["asr"]("parakeet").wanted == parakeetfiles.wanted(parakeetfiles.DEFAULT)
    assert fetchcli.ITEMS["asr"]("nvidia/parakeet-ctc-1.1b").wanted == parakeetfiles.wanted("nvidia/parakeet-ctc-1.1b")
    assert fetchcli.ITEMS["parakeet"](str(tmp_path)).found == str(tmp_path)
    assert ".nemo" not in " ".join(parakeetfiles.wanted("a/b").patterns)


def test_other_weights_in_the_same_folder_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    options = parakeet.Options(model=str(tmp_path))
    first = parakeet.fingerprint(options)
    (tmp_path / "model.safetensors").write_bytes(b"1")
    assert parakeet.fingerprint(options) != first
    assert parakeet.fingerprint(parakeet.Options()) == ()
