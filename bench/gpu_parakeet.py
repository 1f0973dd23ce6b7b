"""Transcription by `parakeet` on a GPU: a model of parakeet-tdt-0.6b's size with random weights, 100 tokens forced in
30 s (and a blank for each, as a transducer steps), word times and guards at work.

    python bench/gpu_parakeet.py [--clips 10000] [--hours 3] [--device cuda] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "bench"))

from gpu_asr import clips, hour  # noqa: E402
from gpu_made import RATE  # noqa: E402

VOCABULARY = 1024
"""parakeet-tdt-0.6b-v2's; v3 has 8,192."""


def made_parakeet(folder: Path, *, tiny: bool = False) -> Path:
    """A folder as transformers writes it: the size of parakeet-tdt-0.6b, or a very small one."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    encoder: dict[str, Any] = {"num_mel_bins": 128, "scale_input": False, "attention_bias": False}
    encoder["convolution_bias"] = False
    if tiny:
        encoder |= {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = transformers.ParakeetTDTConfig(
        vocab_size=VOCABULARY + 1, blank_token_id=VOCABULARY, pad_token_id=0, encoder_config=encoder
    )
    torch.manual_seed(0)
    transformers.ParakeetForTDT(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 128}), encoding="utf-8")
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["<unk>", *(f"▁{a}{b}" if at % 2 else f"{a}{b}" for at, (a, b) in enumerate(_pairs(letters)))][:VOCABULARY]
    names += [f"▁x{number}" for number in range(VOCABULARY - len(names))]
    marks = [{"id": 0, "content": "<unk>", "special": True}]
    made = {"model": {"type": "BPE", "vocab": {name: at for at, name in enumerate(names)}}, "added_tokens": marks}
    (folder / "tokenizer.json").write_text(json.dumps(made), encoding="utf-8")
    return folder


def _pairs(letters: str) -> list[tuple[str, str]]:
    return [(a, b) for a in letters for b in letters]


def run(folder: Path, items: list[Any], device: str) -> dict[str, Any]:
    """Seconds, and times real time, after one pass that warms up."""
    import torch

    from captioner.models.asr import parakeet

    start = time.perf_counter()
    model: Any = parakeet.load(parakeet.Options(model=str(folder), device=device))
    model._net.forced = True
    loaded = time.perf_counter() - start
    start = time.perf_counter()
    model.transcribe(items)
    first = time.perf_counter() - start
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    done = model.transcribe(items)
    took = time.perf_counter() - start
    sound = sum(item.audio.duration for item in items)
    row = {"load": loaded, "first": first, "took": took, "speed": sound / took, "sound": sound}
    row["words"] = sum(len(transcript.words) for transcript in done)
    row["GPU GiB"] = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0
    return {name: round(value, 3) for name, value in row.items()}


def rows(device: str, count: int, hours: float, *, tiny: bool = False) -> dict[str, dict[str, Any]]:
    """`clips` of 5 s, and one recording of `hours`."""
    waves = [0.1 * np.random.default_rng(seed).standard_normal(20 * RATE).astype(np.float32) for seed in range(4)]
    with tempfile.TemporaryDirectory() as place:
        folder = made_parakeet(Path(place) / "model", tiny=tiny)
        return {
            f"{count} clips of 5 s": run(folder, clips(count, waves), device),
            f"{hours:g} h in one file": run(folder, hour(hours * 3600, waves), device),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a very small model: to see that it runs")
    given = parser.parse_args()
    for name, row in rows(given.device, given.clips, given.hours, tiny=given.tiny).items():
        print(name, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
