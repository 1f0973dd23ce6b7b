"""The tokenizer of the trainer's text encoder, where a person has its file: captions are counted, not estimated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from captioner.errors import SettingsError


def load_counter(path: str) -> tuple[Callable[[str], int], str]:
    """What counts the tokens of a caption, those that begin and end a text included, and the file's SHA-256.

    `path` is a `tokenizer.json`, or a folder that has one. Raises SettingsError where it cannot be used.
    """
    file = Path(path).expanduser()
    file = file / "tokenizer.json" if file.is_dir() else file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"--tokenizer {path}: cannot be read ({error.strerror}); give the tokenizer.json of the text encoder that "
            "you train with, or the folder that it is in"
        ) from error
    try:
        model = json.loads(content)["model"]["vocab"]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"--tokenizer {path}: not a tokenizer.json with a model and its vocabulary") from error
    del model
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids), hashlib.sha256(content).hexdigest()
