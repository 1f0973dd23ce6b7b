"""Small Parakeets with random weights, written in the layout that transformers reads: the real code loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

KINDS = ("tdt", "rnnt", "ctc")
MARKS = [".", ",", "?", "'"]
PIECES = [
    "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz", *MARKS, "▁the", "▁a", "▁we", "▁you", "ing", "er", "▁st", "▁b", "▁c",
    "▁no", "▁wh", "at", "on", "ed", "▁I", "an", "▁to", "re",
]  # fmt: skip
BANDS = 16


def encoder_config(width: int = 32) -> dict[str, Any]:
    return {
        "hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 2 * width,
        "subsampling_conv_channels": 8, "num_mel_bins": BANDS, "scale_input": False, "initializer_range": 0.2,
    }  # fmt: skip


def make(folder: Path, kind: str = "tdt", *, pieces: list[str] | None = None, seed: int = 3) -> Path:
    """The folder with a model of one kind, its tokenizer and its spectrogram's settings in it."""
    import torch
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    names = pieces or PIECES
    words = Tokenizer(models.BPE({piece: number for number, piece in enumerate(names)}, [], unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    # The blank is the last of a transducer's tokens, the padding of a CTC model's.
    blank = "<pad>" if kind == "ctc" else "<blank>"
    words.add_special_tokens([AddedToken("<unk>", special=True), AddedToken(blank, special=True)])
    tokenizer = transformers.ParakeetTokenizer(
        tokenizer_object=words, unk_token="<unk>", pad_token="<pad>" if kind == "ctc" else "<unk>"
    )
    size = len(names) + 1
    shape: dict[str, Any] = {"vocab_size": size, "encoder_config": encoder_config()}
    if kind == "ctc":
        shape["pad_token_id"] = size - 1
    else:
        shape |= {"blank_token_id": size - 1, "pad_token_id": 0, "decoder_hidden_size": 24, "num_decoder_layers": 2}
    config = getattr(transformers, f"Parakeet{kind.upper()}Config")(**shape)
    torch.manual_seed(seed)
    model = getattr(transformers, f"ParakeetFor{kind.upper()}")(config).eval()
    _enliven(model, kind)
    if kind != "ctc":
        model.generation_config.decoder_start_token_id = size - 1
    if kind == "tdt":  # its durations stand behind its tokens
        model.generation_config.suppress_tokens = list(range(size, size + len(config.durations)))
    extractor = transformers.ParakeetFeatureExtractor(feature_size=BANDS)
    extra = {} if kind == "ctc" else {"blank_token": blank}
    transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=kind, **extra).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _enliven(model: Any, kind: str) -> None:
    """Scores that differ from frame to frame, with blanks among them: what all frames have in common is taken away."""
    import torch

    head = model.ctc_head if kind == "ctc" else model.joint.head
    blank = model.config.pad_token_id if kind == "ctc" else model.config.blank_token_id
    with torch.no_grad():
        states = model.encoder(torch.randn(1, 400, BANDS)).last_hidden_state[0]
        if kind != "ctc":
            into = model.encoder_projector
            into.weight.mul_(8.0)
            into.bias.copy_(-into.weight @ states.mean(0))
            states = torch.relu(into(states))
            # What was said before matters as well.
            for part in (model.decoder.embedding, model.decoder.decoder_projector):
                part.weight.mul_(8.0)
            for name, weights in model.decoder.lstm.named_parameters():
                weights.mul_(4.0 if name.startswith("weight") else 1.0)
        head.weight.mul_(4.0)
        weight = head.weight if kind != "ctc" else head.weight[..., 0]
        head.bias.copy_(-weight @ states.mean(0))
        head.bias[blank] += {"tdt": 2.0, "rnnt": 8.0, "ctc": 1.5}[kind]
        if kind == "tdt":  # transformers' search has no end for a row that stands still
            head.bias[model.config.vocab_size] -= 12.0


def taught(folder: Path, sound: Any, text: str) -> Path:
    """A CTC model that has learnt one recording (float32, 16 kHz) by heart: its words come out, each a token."""
    import torch
    import transformers

    said = [f"▁{word}" for word in text.split()]
    pieces = ["<unk>", *dict.fromkeys(said), "."]
    make(folder, "ctc", pieces=pieces)
    model = transformers.ParakeetForCTC.from_pretrained(folder)
    torch.manual_seed(0)
    for part in model.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    given = transformers.AutoProcessor.from_pretrained(folder)([sound], sampling_rate=16_000)
    labels = torch.tensor([[pieces.index(piece) for piece in said]])
    learning = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        loss = model(**given, labels=labels).loss
        learning.zero_grad()
        loss.backward()
        learning.step()
        if float(loss.detach()) < 0.02:
            break
    model.save_pretrained(folder)
    return folder
