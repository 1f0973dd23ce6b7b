"""Word times by an aligner: which words are looked for where, as which letters, by which path; and what becomes of the
words, which never change."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import captioner
from captioner import fetchcli
from captioner.errors import BackendMissing, OutOfMemory, SettingsError, WeightsMissing
from captioner.formats import ctm
from captioner.models.aligner.letters import STAR, Alphabet, spelling
from captioner.models.aligner.pieces import joined, pieces
from captioner.models.protocols import Saying
from captioner.settings import Settings
from captioner.speech.retime import NARROWEST, retimed
from captioner.times import Span
from captioner.types import Transcript, Word
from tests.hearing import Heard
from tests.letters import said, taught, texts

ROOT = Path(__file__).parent.parent
LATIN = Alphabet({letter: place for place, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ'", 5)}, 0, 4)


def words_of(*spans: tuple[float, float]) -> tuple[Word, ...]:
    return tuple(Word(f"w{index}", Span.at(*span)) for index, span in enumerate(spans))


# --- which words, and where ------------------------------------------------------------------------------------------

times = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1.5)), min_size=1, max_size=40)


@given(times, st.floats(1, 20), st.floats(0.1, 3), st.randoms(use_true_random=False))
def test_every_usable_word_is_in_one_piece_and_inside_it(
    steps: list[tuple[float, float]], most: float, gap: float, chance: Any
) -> None:
    words, at = [], 0.0
    for pause, length in steps:
        words.append(Word("w", Span.at(at + pause, at + pause + length)))
        at += pause + length
    usable = [chance.random() < 0.8 for _ in words]
    found = pieces(words, at + 0.3, most, gap, usable)
    assert [index for piece in found for index in range(piece.first, piece.last)] == [
        index for index, own in enumerate(usable) if own
    ]
    for piece in found:
        assert 0 <= piece.span.start <= piece.span.end <= round(at + 0.3, 3)
        assert all(piece.span.contains(word.span) for word in words[piece.first : piece.last])
        said = words[piece.last - 1].span.end - words[piece.first].span.start
        assert piece.last - piece.first == 1 or said <= most + 1e-6
        assert all(
            other.span.start - one.span.end < gap for one, other in itertools.pairwise(words[piece.first : piece.last])
        )


def test_a_long_run_is_cut_at_its_widest_gap() -> None:
    words = words_of((0, 1), (1, 2), (2, 3), (3.4, 4.4), (4.4, 5.4), (5.4, 6.4), (6.4, 7.4))
    assert [(piece.first, piece.last) for piece in pieces(words, 9.0, 5.0, 2.0)] == [(0, 3), (3, 7)]


def test_words_with_hardly_a_gap_touch_and_a_pause_stays() -> None:
    spans = [Span.at(0, 1), Span.at(1.08, 2), Span.at(2.3, 3), None, Span.at(3.04, 4)]
    assert joined(spans, 0.1) == [Span.at(0, 1.04), Span.at(1.04, 2), Span.at(2.3, 3), None, Span.at(3.04, 4)]


# --- letters ---------------------------------------------------------------------------------------------------------


def letters_of(text: str, alphabet: Alphabet = LATIN) -> str:
    names = {token: letter for letter, token in alphabet.tokens.items()} | {STAR: "*"}
    return "".join(names[token] for token in alphabet.spelled(text))


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Hello,", "HELLO"), ("don\u2019t", "DON'T"), ("caf\u00e9", "CAFE"), ("Stra\u00dfe", "STRASSE"),
        ("1984", "*"), ("F2", "F*"), ("\u2014", ""), ("...", ""), ("\u0441\u043b\u043e\u0432\u043e", "*"),
        ("cafe\u0301", "CAFE"), ("forty-two", "FORTYTWO"), ("\ufb01ne", "FINE"),
    ],
)  # fmt: skip
def test_a_word_is_spelt_in_the_models_own_letters(text: str, letters: str) -> None:
    assert letters_of(text) == letters


def test_other_scripts_are_spelt_where_something_romanizes_them() -> None:
    told = replace(LATIN, romanized=lambda text: {"\u0434\u0430": "da"}[text])
    assert letters_of("\u0434\u0430", told) == "DA"


def test_uroman_is_used_where_it_is_installed_and_the_letters_are_latin() -> None:
    pytest.importorskip("uroman")
    from captioner.models.aligner.ctc import _romanizer

    told = replace(LATIN, romanized=_romanizer())
    assert letters_of("\u0441\u043b\u043e\u0432\u043e,", told) == "SLOVO"
    assert spelling(told, ["\u0441\u043b\u043e\u0432\u043e"]) is not None


def test_a_text_of_mostly_unknown_signs_is_not_aligned() -> None:
    assert spelling(LATIN, ["\u0434\u0430", "\u043d\u0435\u0442", "ok"]) is None
    assert spelling(LATIN, ["\u2014"]) is None
    assert spelling(LATIN, ["1984"]) is None
    assert spelling(LATIN, ["in", "1984"]) is not None
    found = spelling(LATIN, ["room", "101", "\u2014", "is"])
    assert found is not None
    assert found.words == (0, 0, 0, 0, None, 1, None, 3, 3)
    assert spelling(LATIN, ["\u0430\u0431", "ab"]) is not None, "half of it is enough"


def test_scripts_without_blanks_have_no_mark_between_words() -> None:
    found = spelling(LATIN, ["ab", "c"], spaced=False)
    assert found is not None
    assert found.words == (0, 0, 1)


# --- the words stay --------------------------------------------------------------------------------------------------

placed = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0, 2), st.none() | st.tuples(st.floats(0, 20), st.floats(0, 2)))
)


@given(placed)
def test_no_word_comes_goes_changes_or_changes_places(given_: list[tuple[float, float, Any]]) -> None:
    rows = sorted(given_, key=lambda row: row[0])
    words = tuple(Word(f"w{n}", Span.at(a, a + b), 0.5, None, 0.7) for n, (a, b, _) in enumerate(rows))
    spans = [None if new is None else Span.at(new[0], new[0] + new[1]) for _, _, new in rows]
    before = Transcript(words, "en", 0.9)
    after = retimed(before, spans, 22.0)
    assert [replace(word, span=Span(0, 0)) for word in after.words] == [replace(w, span=Span(0, 0)) for w in words]
    assert replace(after, words=()) == replace(before, words=())
    at = 0.0
    for word in after.words:
        assert word.span.start >= at
        assert word.span.duration >= min(NARROWEST, 22.0 / len(words)) - 0.0011
        at = word.span.end
    assert at <= 22.0


def test_good_spans_are_taken_as_they_are_and_a_word_without_one_gives_way() -> None:
    before = Transcript(words_of((0.0, 0.5), (0.5, 1.5), (1.5, 2.0)), "en")
    after = retimed(before, [Span.at(0.1, 0.7), None, Span.at(1.2, 1.9)], 3.0)
    assert [word.span for word in after.words] == [Span.at(0.1, 0.7), Span.at(0.7, 1.2), Span.at(1.2, 1.9)]
    assert retimed(before, [None] * 3, 3.0) == before


def test_where_two_words_lie_over_each_other_the_second_begins_where_it_was_found() -> None:
    before = Transcript(words_of((0.0, 0.5), (0.5, 1.5)), "en")
    after = retimed(before, [Span.at(0.1, 0.9), Span.at(0.7, 1.2)], 3.0)
    assert [word.span for word in after.words] == [Span.at(0.1, 0.7), Span.at(0.7, 1.2)]


# --- the best path ---------------------------------------------------------------------------------------------------


def best_by_trying(scores: np.ndarray[Any, Any], text: Sequence[int]) -> float:
    """The best path's score, over all ways to write `text` with blanks (0) and repeats."""
    best = -np.inf
    for way in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        kept = [token for token, _ in itertools.groupby(way) if token]
        if kept == list(text):
            best = max(best, float(sum(scores[frame, token] for frame, token in enumerate(way))))
    return best


def paths(scores: Any, targets: Any, counts: Any, frames: Any, first: Any, last: Any) -> tuple[Any, Any]:
    """Of tokens with 0 for the blank."""
    from captioner.models.aligner import trellis

    return trellis.paths(trellis.said(scores, targets, [0]), scores[..., 0], targets, counts, frames, first, last)


def path_score(scores: np.ndarray[Any, Any], text: Sequence[int], first: Sequence[int], last: Sequence[int]) -> float:
    way = np.zeros(len(scores), int)
    for token, begin, end in zip(text, first, last, strict=True):
        way[begin : end + 1] = token
    return float(sum(scores[frame, token] for frame, token in enumerate(way)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 2), min_size=1, max_size=3))
def test_the_path_is_the_best_of_all(seed: int, text: list[int]) -> None:
    torch = pytest.importorskip("torch")
    scores = torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (6, 3))).log_softmax(-1)
    count, own = torch.tensor([len(text)]), torch.tensor([text])
    first, last = paths(scores[None], own, count, torch.tensor([6]), torch.zeros_like(own), torch.full_like(own, 6))
    found = path_score(scores.numpy(), text, first[0].tolist(), last[0].tolist())
    assert found == pytest.approx(best_by_trying(scores.numpy(), text))


def test_many_rows_at_once_are_as_each_alone_and_as_torchaudio_has_it() -> None:
    torch = pytest.importorskip("torch")
    audio = pytest.importorskip("torchaudio")
    torch.manual_seed(3)
    frames, counts = torch.tensor([50, 31, 40, 12]), torch.tensor([9, 12, 1, 5])
    scores = torch.randn(4, 50, 7).mul(3).log_softmax(-1)
    targets = torch.randint(1, 7, (4, 12))
    free = torch.zeros_like(targets), torch.full_like(targets, 50)
    first, last = paths(scores, targets, counts, frames, *free)
    for row in range(4):
        own, size = targets[row : row + 1, : counts[row]], int(frames[row])
        way, _ = audio.functional.forced_align(scores[row : row + 1, :size], own, blank=0)
        tokens = way[0].tolist()
        runs = [list(group) for key, group in itertools.groupby(range(size), tokens.__getitem__) if key]
        assert first[row, : counts[row]].tolist() == [run[0] for run in runs]
        assert last[row, : counts[row]].tolist() == [run[-1] for run in runs]


def test_a_letter_is_only_looked_for_where_it_may_be() -> None:
    torch = pytest.importorskip("torch")
    scores = torch.full((1, 20, 2), -5.0)
    scores[..., 0] = -0.1
    scores[0, [3, 15], 1] = torch.tensor([0.0, -0.01])
    one = torch.tensor([[1]])
    where = [
        paths(scores, one, torch.tensor([1]), torch.tensor([20]), torch.tensor([[low]]), torch.tensor([[20]]))
        for low in (0, 10)
    ]
    assert [int(first[0, 0]) for first, _ in where] == [3, 15]


def test_more_letters_than_frames_have_no_path() -> None:
    torch = pytest.importorskip("torch")
    scores, text = torch.randn(2, 4, 3).log_softmax(-1), torch.tensor([[1, 1, 2, 1], [1, 2, 1, 2]])
    count, frames = torch.tensor([4, 4]), torch.tensor([4, 4])
    first, last = paths(scores, text, count, frames, torch.zeros_like(text), torch.full_like(text, 4))
    assert first.tolist() == [[-1] * 4, [0, 1, 2, 3]], "equal letters need a blank between them"
    assert last.tolist() == [[-1] * 4, [0, 1, 2, 3]]


# --- a model that has learnt its letters -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return taught(tmp_path_factory.mktemp("letters"))


def aligner(model: Path, **options: Any) -> Any:
    from captioner.models.aligner import ctc

    return ctc.load(ctc.Options(model=str(model), device="cpu", **options))


def astray(words: Sequence[Word], seed: int, most: float) -> tuple[Word, ...]:
    """The words with their times off by up to `most` seconds, in order."""
    moves = np.random.default_rng(seed).uniform(-most, most / 3, len(words))
    starts = sorted(max(0.0, word.span.start + move) for word, move in zip(words, moves, strict=True))
    spans = [Span.at(start, start + word.span.duration) for start, word in zip(starts, words, strict=True)]
    return tuple(replace(word, span=span) for word, span in zip(words, spans, strict=True))


def off(spans: Sequence[Span | None], words: Sequence[Word]) -> np.ndarray[Any, Any]:
    assert all(spans)
    return np.array([
        (span.start - word.span.start, span.end - word.span.end)
        for span, word in zip(spans, words, strict=True) if span is not None
    ])  # fmt: skip


@pytest.mark.parametrize("most", [0.3, 0.7])
def test_words_are_found_to_within_two_frames_wherever_the_transcriber_had_them(model: Path, most: float) -> None:
    items = [said(texts(14, seed), seed, pauses=(0.1, 0.6)) for seed in (5001, 5002, 5003)]
    asked = [Saying(Heard(item.samples), astray(item.words, n, most), "xx") for n, item in enumerate(items)]
    before = np.concatenate([off([w.span for w in a.words], i.words) for a, i in zip(asked, items, strict=True)])
    errors = np.concatenate(
        [off(spans, item.words) for spans, item in zip(aligner(model).align(asked), items, strict=True)]
    )
    assert np.median(np.abs(errors)) < 0.02
    assert np.max(np.abs(errors)) < 0.065, "two frames, and half of the 0.1 s below which words touch"
    assert np.median(np.abs(before)) > 5 * np.median(np.abs(errors))


def test_neighbours_batches_and_their_size_change_nothing(model: Path) -> None:
    items = [said(texts(count, seed), seed) for seed, count in ((6001, 3), (6002, 20), (6003, 3), (6004, 90))]
    asked = [Saying(Heard(item.samples), astray(item.words, n, 0.3), "xx") for n, item in enumerate(items)]
    assert items[3].words[-1].span.end > 40, "more than two pieces"
    alone = [aligner(model).align([one])[0] for one in asked]
    assert aligner(model).align(asked) == alone
    assert aligner(model, batch=600).align(asked[::-1]) == alone[::-1]
    assert all(item.audio.largest <= 22 * 16000 for item in asked), "read in pieces"  # type: ignore[attr-defined]


def test_a_batch_that_does_not_fit_is_halved(model: Path) -> None:
    items = [said(texts(6, seed), seed) for seed in range(7001, 7007)]
    asked = [Saying(Heard(item.samples), item.words, "xx") for item in items]
    whole, small = aligner(model, batch=600), aligner(model, batch=600)
    heard, calls = small._net.scores, []

    def scores(sounds: Sequence[Any]) -> Any:
        calls.append(len(sounds))
        if len(sounds) > 1:
            raise OutOfMemory("no room")
        return heard(sounds)

    small._net.scores = scores
    assert small.align(asked) == whole.align(asked)
    assert max(calls) > 1
    assert calls.count(1) == 6


def test_a_word_with_a_sign_that_the_model_lacks_is_placed_by_what_is_around_it(model: Path) -> None:
    item = said(["abc", "dg", "kib", "fel"], 8001, pauses=(0.2, 0.3))
    written = (
        item.words[0],
        replace(item.words[1], text="42"),
        replace(item.words[2], text="K\u00edb!"),
        item.words[3],
    )
    (spans,) = aligner(model).align([Saying(Heard(item.samples), astray(written, 1, 0.2), "xx")])
    assert np.max(np.abs(off(spans, item.words))) < 0.1


def test_other_languages_and_words_that_are_no_words_keep_their_times(model: Path) -> None:
    item = said(["abc", "dgi"], 8002)
    words = (item.words[0], Word("\u2014", Span.at(0.6, 0.7)), item.words[1])
    named = aligner(model, languages="xx, yy")
    asked = [Saying(Heard(item.samples), words, language) for language in ("xx", "de", None)]
    found = named.align(asked)
    assert [span is None for span in found[0]] == [False, True, False]
    assert found[1:] == [(None,) * 3] * 2
    assert named.align([]) == []
    assert named.align([Saying(Heard(item.samples), (), "xx")]) == [()]


def test_letters_that_come_late_are_put_back(model: Path) -> None:
    item = said(["abc", "dgi", "lak"], 8003, pauses=(0.3, 0.4))
    (now,) = aligner(model).align([Saying(Heard(item.samples), item.words, "xx")])
    (earlier,) = aligner(model, delay=0.05).align([Saying(Heard(item.samples), item.words, "xx")])
    assert [round(a.start - b.start, 3) for a, b in zip(now, earlier, strict=True)] == [0.05] * 3


def test_a_model_that_is_not_there_or_has_no_letters_is_refused_with_the_way_out(model: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"cannot be loaded.*aligner none"):
        aligner(tmp_path)
    syllables = tmp_path / "syllables"
    shutil.copytree(model, syllables)
    for file in syllables.glob("*token*.json"):
        file.unlink()
    (syllables / "vocab.json").write_text(json.dumps({"<pad>": 0, "|": 1, **{f"la{n}": n + 2 for n in range(12)}}))
    with pytest.raises(SettingsError, match="0 tokens of one letter"):
        aligner(syllables)


def adapted(model: Path, folder: Path) -> Path:
    """The same model as MMS comes: one adapter and one list of letters a language. In `bbb` the letters stand in
    another order, and the adapter with them."""
    import torch
    from safetensors.torch import save_file
    from transformers import Wav2Vec2ForCTC

    shutil.copytree(model, folder)
    net = Wav2Vec2ForCTC.from_pretrained(model, adapter_attn_dim=4)
    for name, weights in net.named_parameters():
        if "adapter_layer.linear_2" in name:
            torch.nn.init.zeros_(weights)
    net.save_pretrained(folder)
    order = [0, 1, *reversed(range(2, 14))]
    vocabulary = json.loads((model / "vocab.json").read_text())
    known = {
        language: {token: place if language == "aaa" else order[place] for token, place in vocabulary.items()}
        for language in ("aaa", "bbb")
    }
    (folder / "vocab.json").write_text(json.dumps(known))
    settings_ = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings_ | {"target_lang": "aaa"}))
    for language in known:
        own = {name: weights.detach().clone() for name, weights in net._get_adapters().items()}
        if language == "bbb":
            own |= {name: weights[order].contiguous() for name, weights in own.items() if name.startswith("lm_head")}
        save_file(own, folder / f"adapter.{language}.safetensors")
    return folder


def test_a_model_with_adapters_speaks_the_language_that_is_asked_for(model: Path, tmp_path: Path) -> None:
    both = adapted(model, tmp_path / "mms")
    item = said(["abc", "dgi", "lak"], 8004, pauses=(0.3, 0.4))
    asked = [Saying(Heard(item.samples), astray(item.words, 2, 0.2), "xx")]
    plain = aligner(model).align(asked)
    for language in ("aaa", "bbb"):
        loaded = aligner(both, adapter=language)
        assert loaded._alphabet.tokens["a"] == (2 if language == "aaa" else 13)
        assert loaded.align(asked) == plain
    with pytest.raises(WeightsMissing, match="cannot be loaded"):
        aligner(both, adapter="ccc")


def test_a_model_of_the_hub_that_cannot_be_had_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from captioner.models.aligner import ctc

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(WeightsMissing, match=r"someone/letters.*aligner_options: \{model: FOLDER\}"):
        ctc.load(ctc.Options(model="someone/letters"))


@pytest.mark.parametrize(("backend", "package"), [("ctc", "transformers"), ("pocketsphinx", "pocketsphinx")])
def test_a_missing_package_is_named_with_its_command(
    backend: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from captioner.models.registry import backend_module

    module = backend_module("aligner", backend)
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(BackendMissing, match=r"pip install 'captioner\[(gpu|align)\]'"):
        module.load(module.Options())


@pytest.mark.gpu
def test_a_gpu_finds_the_same_places(model: Path) -> None:
    items = [said(texts(count, seed), seed) for seed, count in ((9001, 12), (9002, 40), (9003, 12))]
    asked = [Saying(Heard(item.samples), astray(item.words, n, 0.3), "xx") for n, item in enumerate(items)]
    from captioner.models.aligner import ctc

    there = ctc.load(ctc.Options(model=str(model), device="cuda")).align(asked)
    for one, other in zip(there, aligner(model).align(asked), strict=True):
        starts = [(a.start, b.start) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
        assert len(starts) == len(one)
        assert np.max(np.abs(np.diff(np.array(starts)))) <= 0.021, "one frame"


# --- in a build ------------------------------------------------------------------------------------------------------


def test_fetch_models_and_the_doctor_know_of_it() -> None:
    chosen = Settings(aligner="ctc", aligner_options={"model": "a/b"})
    assert ("aligner", "a/b") in fetchcli.of_settings(chosen)
    assert all(role != "aligner" for role, _ in fetchcli.of_settings(Settings(aligner="pocketsphinx")))
    item = fetchcli.ITEMS["aligner"]("a/b")
    assert item.wanted is not None
    assert item.wanted.repository == "a/b"


@pytest.mark.models
def test_a_build_with_an_aligner_hears_nothing_again_and_places_the_words(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    truth = ctm.parse((ROOT / "sample_dataset" / "truth" / "table.ctm").read_text(), "table.ctm")["table"]
    (tmp_path / "raw").mkdir()
    shutil.copy(next(ROOT.glob("sample_dataset/raw/*/table.wav")), tmp_path / "raw" / "table.wav")
    rough = [replace(w, span=Span.at(max(0.0, w.span.start - 0.15), max(0.05, w.span.end - 0.2))) for w in truth]
    (tmp_path / "rough.ctm").write_text(ctm.serialize({"table": rough}))

    def build(**options: Any) -> tuple[set[str], list[Word]]:
        given_ = {"yes": True, "trigger": "trig", "asr": "ctm", "language": "en", "tagger": "none"} | options
        made = captioner.build(
            tmp_path / "raw", tmp_path / "out", asr_options={"path": str(tmp_path / "rough.ctm"), "language": "en"},
            **given_,
        )  # fmt: skip
        heard = ctm.parse((tmp_path / "out" / "words" / "table.ctm").read_text(), "table.ctm")["table"]
        return {name.split()[0] for name in made.seconds}, list(heard)

    ran, before = build()
    assert "aligner" not in ran
    assert [word.span.start for word in before] == [word.span.start for word in rough]
    ran, after = build(aligner="pocketsphinx")
    assert "aligner" in ran
    assert {"asr", "vad", "diarizer"}.isdisjoint(ran), "only what depends on it runs"
    assert [word.text for word in after] == [word.text for word in before]
    assert np.median([abs(a.span.start - t.span.start) for a, t in zip(after, truth, strict=True)]) <= 0.03
    ran, again = build(aligner="pocketsphinx")
    assert "aligner" not in ran
    assert again == after
    assert build()[1] == before, "without it the transcriber's own times are back"
