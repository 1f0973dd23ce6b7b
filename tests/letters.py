"""A language of twelve tones and a CTC model that has learnt it: the truth about its words is known to the sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from captioner.times import Span
from captioner.types import Word
from tests.hearing import RATE, Floats

LETTERS = "abcdefghijkl"
PITCH = dict(zip(LETTERS, 300.0 * 1.27 ** np.arange(len(LETTERS)), strict=True))
BLANK, DELIMITER = 0, 1
VOCABULARY = {"<pad>": BLANK, "|": DELIMITER, **{letter: place for place, letter in enumerate(LETTERS, 2)}}
FRAME = 320


@dataclass
class Said:
    samples: Floats
    words: tuple[Word, ...]
    """With their true times."""
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]
    """The token of each 20 ms."""


def said(texts: list[str], seed: int, lead: float = 0.4, pauses: tuple[float, float] = (0.06, 0.5)) -> Said:
    """Words of 60 to 140 ms a letter, with pauses between them, in a little noise."""
    rng = np.random.default_rng(seed)
    parts, labels, words, at = [np.zeros(round(lead * RATE))], [], [], round(lead * RATE)
    marks = [(0, at, BLANK)]
    for text in texts:
        start = at
        for letter in text:
            size = int(rng.integers(960, 2240))
            time = np.arange(size) / RATE
            fade = np.minimum(1, np.minimum(np.arange(size), np.arange(size)[::-1]) / 80)
            parts.append(0.3 * fade * np.sin(2 * np.pi * PITCH[letter] * time + rng.uniform(0, 6)))
            marks.append((at, at + size, VOCABULARY[letter]))
            at += size
        words.append(Word(text, Span.at(start / RATE, at / RATE), 0.9))
        pause = round(rng.uniform(*pauses) * RATE)
        parts.append(np.zeros(pause))
        marks.append((at, at + 2 * FRAME, DELIMITER))  # a spike behind each word, as in models of real speech
        at += pause
    sound = np.concatenate(parts) + rng.normal(0, 0.003, at)
    labels = np.zeros(at // FRAME, np.int64)
    for begin, end, token in marks:
        labels[round(begin / FRAME) : round(end / FRAME)] = token
    return Said(sound.astype(np.float32), tuple(words), labels)


def texts(count: int, seed: int) -> list[str]:
    """Words of 2 to 5 letters, no letter twice in a row."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        word = ""
        while len(word) < rng.integers(2, 6):
            letter = LETTERS[rng.integers(len(LETTERS))]
            word += letter if not word.endswith(letter) else ""
        made.append(word or "ab")
    return made


def taught(folder: Path, steps: int = 80) -> Path:
    """A wav2vec2 of 40,000 weights, taught the language frame by frame in some seconds, with its tokenizer."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(VOCABULARY), pad_token_id=BLANK, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, conv_dim=(48, 32, 32, 32, 32, 32, 32), num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2, feat_extract_norm="layer", do_stable_layer_norm=True, hidden_dropout=0.0,
        attention_dropout=0.0, feat_proj_dropout=0.0, activation_dropout=0.0, final_dropout=0.0, layerdrop=0.0,
        apply_spec_augment=False,
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config).train()
    front = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    optimizer = torch.optim.AdamW(model.parameters(), 6e-3)
    for step in range(steps):
        items = [said(texts(4, 6 * step + row), 6 * step + row, lead=0.2) for row in range(6)]
        size = min(len(item.samples) for item in items)
        given = front([item.samples[:size] for item in items], sampling_rate=RATE, return_tensors="pt")
        logits = model(**given).logits
        labels = torch.from_numpy(np.stack([item.labels[: logits.shape[1]] for item in items]))
        loss = torch.nn.functional.cross_entropy(logits[:, : labels.shape[1]].transpose(1, 2), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    front.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="<pad>", unk_token="<pad>", bos_token=None,
                         eos_token=None, word_delimiter_token="|").save_pretrained(folder)  # fmt: skip
    return folder
