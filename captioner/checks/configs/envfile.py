"""SimpleTuner's config.env, read as its own reader does: line by line, no shell runs and nothing is filled in.

    export TRAIN_BATCH_SIZE=1
    TRAINER_EXTRA_ARGS="--framerate=24"
    TRAINER_EXTRA_ARGS+=" --lora_rank=32"

Only names that it knows become flags; all others are dropped without a word, and so is a frame rate that stands in no
TRAINER_EXTRA_ARGS. A comment behind a value stays a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from captioner.checks.configs.flags import parted
from captioner.checks.configs.reading import Doc, Place
from captioner.checks.configs.value import Fault, Given
from captioner.errors import BadFormat

EXTRA = "TRAINER_EXTRA_ARGS"
"""Its words are taken for flags as they stand, parted at blanks."""

FLAGS: Mapping[str, str] = {
    "DATALOADER_CONFIG": "data_backend_config", "TRAINING_SEED": "seed", "OUTPUT_DIR": "output_dir",
    "LORA_TYPE": "lora_type", "MAX_NUM_STEPS": "max_train_steps", "MODEL_TYPE": "model_type",
    "MODEL_FAMILY": "model_family", "TRAIN_BATCH_SIZE": "train_batch_size", "RESOLUTION": "resolution",
    "CAPTION_DROPOUT_PROBABILITY": "caption_dropout_probability", "RESOLUTION_TYPE": "resolution_type",
    "LEARNING_RATE": "learning_rate", "GRADIENT_ACCUMULATION_STEPS": "gradient_accumulation_steps",
    "MODEL_NAME": "pretrained_model_name_or_path",
}  # fmt: skip
"""Of its names those that say anything about clips, captions and the run."""

MOST_LINES = 5000
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_COMMENTED = re.compile(r"""("[^"]*"|'[^']*'|[^\s"'#]*)\s+#.*\Z""", re.DOTALL)
_FILLED = re.compile(r"[$`]")


def parse_env(text: str, name: str) -> Doc:
    """The texts of its names, a later line in place of an earlier one. Raises BadFormat for what is no such file."""
    values: dict[str, str] = {}
    lines: dict[Place, int] = {(): 1}
    read = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        line = line.removeprefix("export ").strip()
        key, equals, value = line.partition("=")
        more = key.endswith("+")
        key = key.removesuffix("+").strip()
        if not equals or not _NAME.match(key):
            continue  # it is passed by with a warning
        read += 1
        if read > MOST_LINES:
            raise BadFormat(f"{name}:{number}: more than {MOST_LINES} values; no config has so many")
        held = " ".join(_bare(value).split())
        values[key] = f"{values[key]} {held}".strip() if more and key in values else held
        lines[key,] = number
    if text.strip() and not read:
        raise BadFormat(f"{name}: not one line NAME=value in it")
    return Doc(name, "env", values, lines)


def _bare(value: str) -> str:
    """Without the quotes around it; what stands behind them stays."""
    value = value.strip()
    closed = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if closed else value


def flags_of(doc: Doc, known: frozenset[str]) -> tuple[list[Given], list[Fault]]:
    """The flags that it becomes, and what is wrong with it. `known`: names of flags that matter."""
    given, faults = [], []
    for key, text in doc.value.items():
        line = doc.line((key,))
        if key == EXTRA:
            _, flags = parted([word for word in text.split() if not _FILLED.search(word)])
            given += [Given(value, doc.name, line, f"--{name}") for name, value in flags.items()]
        elif key not in FLAGS:
            faults += _dropped(doc, key, text, line, known)
        elif found := _COMMENTED.match(text):
            faults.append(Fault(
                "value", doc.name, line, key, f"the comment behind {key} is taken for a part of its value",
                "the value is refused, or another than it looks", f"{key}={found[1]}, the comment on a line of its own",
            ))  # fmt: skip
            given.append(Given(_bare(found[1]), doc.name, line, f"--{FLAGS[key]}"))
        elif text and not _FILLED.search(text):  # what a shell would fill in is not known
            given.append(Given(text, doc.name, line, f"--{FLAGS[key]}"))
    return given, faults


def _dropped(doc: Doc, key: str, text: str, line: int | None, known: frozenset[str]) -> list[Fault]:
    """A name that becomes no flag, and looks like one."""
    flag = key.lower()
    if flag not in known:
        return []
    return [Fault(
        "ignored", doc.name, line, key, f"{key} is no name that is read from such a file: it is dropped",
        f"--{flag} keeps its default, without a word", f'{EXTRA}="--{flag}={text}"',
    )]  # fmt: skip
