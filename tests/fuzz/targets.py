"""Readers of foreign files, one function a reader: bytes in; anything but a typed error is a bug.

A new reader is one entry of TARGETS, with seeds that it accepts.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CaptionerError

Reader = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A reader and files that it accepts."""

    read: Reader
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Raises whatever is no typed error."""
        with contextlib.suppress(CaptionerError):
            self.read(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _config(name: str, trainer: str | None = None, *, beside: bool = True) -> Reader:
    """`beside`: the same text stands in every file that it names."""

    def read(data: bytes) -> object:
        from captioner.checks.configs import parse_config

        text = _text(data)
        return parse_config(text, name, trainer, {"run.sh": text}, lambda _: text if beside else None)

    return read


def _format(name: str) -> Reader:
    def read(data: bytes) -> object:
        from importlib import import_module

        return import_module(f"captioner.formats.{name}").parse(_text(data), f"x.{name}")

    return read


def _listing(name: str) -> Reader:
    def read(data: bytes) -> object:
        from captioner.checks.listings import parse_listing

        return parse_listing(data, Path(name), name)

    return read


def _header(data: bytes) -> object:
    from captioner.checks.safetensors import read_header

    handle, name = tempfile.mkstemp()
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return read_header(path)
    finally:
        path.unlink()


def _caption(data: bytes) -> object:
    from captioner.checks.captiontext import dialect, sections, speech
    from captioner.checks.gather import parse_caption

    text = parse_caption("x.txt", data).text or ""
    return dialect(text), sections(text), speech(text)


def _tensors() -> bytes:
    head = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + b"\0\0\0\0"


_AIT = b"datasets:\n- folder_path: /d\n  auto_frame_count: true\n  fps: 24\n  do_audio: true\ntrigger_word: ''\n"
_TOML = b'[general]\ncaption_extension = ".txt"\n[[datasets]]\nvideo_directory = "/d"\ntarget_frames = [121]\n'
_BACKENDS = b'[{"id": "a", "dataset_type": "video", "instance_data_dir": "/d", "video": {"num_frames": 121}}]'
_SCRIPT = b'python process_dataset.py d.json --resolution-buckets "64x64x121" \\\n --lora-trigger ema\n'
_TRAINING = b"model: {model_path: m}\ntraining_strategy: {name: flexible}\noptimization: {batch_size: 1}\n"
_ENV = b"""export TRAIN_BATCH_SIZE='1' # why\nTRAINER_EXTRA_ARGS="--framerate=24"\nTRAINER_EXTRA_ARGS+=" --seed 1"\n"""
_GRID = b"\n".join([
    b'File type = "ooTextFile"', b'Object class = "TextGrid"', b"", b"0", b"1", b"<exists>", b"1", b'"IntervalTier"',
    b'"w"', b"0", b"1", b"1", b"0", b"1", b'"a"', b"",
])  # fmt: skip

TARGETS: dict[str, Target] = {
    "yaml": Target(_config("x.yaml"), (_AIT, _TRAINING)),
    "toml": Target(_config("x.toml", "musubi"), (_TOML,)),
    "json": Target(_config("x.json"), (_BACKENDS, b'{"data_backend_config": "b.json", "framerate": 24}')),
    "script": Target(_config("x.sh", "ltx"), (_SCRIPT,)),
    "env": Target(_config("x.env", "simpletuner", beside=False), (_ENV,)),
    "wan-toml": Target(_config("x.toml", "wan"), (_TOML, _TOML.replace(b"target_frames", b"source_fps = 24.0\nx"))),
    "wan-yaml": Target(_config("x.yaml", "wan"), (_AIT, _AIT + b"model: {arch: wan22_14b}\n")),
    "manifest-json": Target(_listing("x.json"), (b'[{"caption": "a", "media_path": "a.mp4"}]',)),
    "manifest-jsonl": Target(_listing("x.jsonl"), (b'{"caption": "a", "video_path": "a.mp4"}\n',)),
    "manifest-csv": Target(_listing("x.csv"), (b"caption,media_path\na,a.mp4\n",)),
    "safetensors": Target(_header, (_tensors(),)),
    "caption": Target(_caption, (b'ema, she says. Speech: "Go." Sounds: hum.', b"[VISUAL]: a [SPEECH]: b [SOUNDS]: c")),
    "rttm": Target(_format("rttm"), (b"SPEAKER a 1 0.0 1.0 <NA> <NA> s <NA> <NA>\n",)),
    "ctm": Target(_format("ctm"), (b"a 1 0.0 0.5 word 0.9\n",)),
    "stm": Target(_format("stm"), (b"a 1 s 0.0 1.0 <o> some words\n",)),
    "srt": Target(_format("srt"), (b"1\n00:00:00,000 --> 00:00:01,000\nwords\n",)),
    "vtt": Target(_format("vtt"), (b"WEBVTT\n\n00:00.000 --> 00:01.000\nwords\n",)),
    "audacity": Target(_format("audacity"), (b"0.0\t1.0\twords\n",)),
    "textgrid": Target(_format("textgrid"), (_GRID,)),
}
