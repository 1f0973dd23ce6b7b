"""Which backend each role has, from the settings; loaded when it is first needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from captioner.errors import SettingsError
from captioner.models import registry
from captioner.models.tagger.choice import best as best_tagger
from captioner.settings import Settings

NOT_RESULTS = frozenset(
    {"threads", "device", "encoder", "batch", "batch_size", "timeout", "retries", "backoff", "concurrency"}
    | {"key_variable", "price_in", "price_out", "max_cost"}
)
"""Options that change how fast an answer comes, and at what price, not the answer."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A chosen backend that is loaded when first needed."""

    role: str
    name: str
    module: ModuleType
    options: Any

    @property
    def identity(self) -> tuple[object, ...]:
        values = dataclasses.asdict(self.options)
        kept = tuple(sorted((name, repr(value)) for name, value in values.items() if name not in NOT_RESULTS))
        extra = getattr(self.module, "fingerprint", None)
        return (self.role, self.name, self.module.VERSION, kept, extra(self.options) if extra else None)

    def load(self) -> Any:
        return self.module.load(self.options)


def choose_backends(settings: Settings) -> dict[str, Backend]:
    """The backend of each role. Raises SettingsError for unknown names and options."""
    common = {"threads": settings.thread_count, "language": settings.language}
    hotwords = read_glossary(settings.glossary)
    asr = {
        "model": settings.model,
        "beam_size": settings.beam_size,
        "hotwords": hotwords,
        "verbatim": settings.verbatim,
    }
    given: dict[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
        "vad": (settings.vad, {}, common),
        "diarizer": (settings.diarizer, settings.diarizer_options, common),
        "asr": (settings.asr, settings.asr_options, common | asr),
        "aligner": (settings.aligner, settings.aligner_options, {}),
        "tagger": (settings.tagger, settings.tagger_options, common),
        "voice": (settings.voice, {}, common),
        "describer": (settings.describer, settings.describer_options, {}),
    }
    chosen = {}
    for role, (name, options, defaults) in given.items():
        if role in ("aligner", "tagger", "describer") and name == "none":
            continue
        if role == "tagger" and name == "auto":
            name = best_tagger()
        module = registry.backend_module(role, name)
        known = {entry.name for entry in dataclasses.fields(module.Options)}
        if role == "asr" and name != "ctm":
            _refuse_unheard(name, {key: value for key, value in asr.items() if key not in known})
        usable = {key: value for key, value in defaults.items() if key in known and value is not None}
        chosen[role] = Backend(role, name, module, registry.make_options(module, usable | dict(options), role))
    return chosen


ASKED = {"hotwords": "--glossary", "verbatim": "--verbatim"}
"""What a person asks of a transcriber that not every one can do."""


def _refuse_unheard(name: str, unknown: Mapping[str, Any]) -> None:
    """Raises SettingsError where a transcriber would do as if nobody had asked."""
    for key, flag in ASKED.items():
        if unknown.get(key):
            raise SettingsError(f"{flag}: --asr {name} cannot do that; leave it out, or choose --asr faster_whisper")


def read_glossary(path: str | None) -> tuple[str, ...] | None:
    """Names and hot words, one a line; `#` starts a comment."""
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"--glossary {path}: cannot be read ({error}); give a text file, one name a line"
        ) from error
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#")) or None
