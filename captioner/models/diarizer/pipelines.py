"""Opens pyannote.audio pipelines: from the hub with the user's token, or from a folder. Nothing is imported before.

pyannote.audio reports what it is used for to its makers unless told not to: it is told not to, where the user has not
said otherwise (PYANNOTE_METRICS_ENABLED=1). It imports torchcodec, which needs system libraries of the right version,
to read files; it is given samples instead, so torchcodec is kept out and its warning with it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import RLock
from typing import Any

from captioner.errors import BackendMissing, SettingsError, WeightsMissing
from captioner.models.asr.weights import QUICK
from captioner.models.fetching import Hub, Wanted, fetch, here
from captioner.models.hubfaults import HubFault
from captioner.types import SPEECH_RATE

DEFAULT = "pyannote/speaker-diarization-community-1"
CONFIG = "config.yaml"
METRICS = "PYANNOTE_METRICS_ENABLED"
GPU_COMMAND = 'pip install "captioner[gpu]"'
WITHOUT = "choose --diarizer embedded, which comes with captioner and needs no account"
INSTEAD = f"Give a folder with the pipeline as diarizer_options: {{pipeline: FOLDER}}, or {WITHOUT}"
NEEDLESS = ("*.md", "*.png", "*.jpg", "*.gif", "*.ipynb", ".gitattributes", "reproducible_research/*")
"""Files of a pipeline's repository that it does not need."""
_QUIET = RLock()


def library() -> Any:
    """The module `pyannote.audio`, imported without telemetry and without torchcodec. Raises BackendMissing."""
    os.environ.setdefault(METRICS, "0")
    with _without("torchcodec"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
        try:
            import pyannote.audio  # type: ignore[import-untyped]
            import pyannote.audio.pipelines
        except ImportError as error:
            raise BackendMissing(f"diarizer pyannote: {error}; {GPU_COMMAND}, or {WITHOUT}") from error
        except (OSError, RuntimeError) as error:  # native libraries that do not fit each other
            raise BackendMissing(
                f"diarizer pyannote: pyannote.audio cannot be imported ({error}); torch and torchaudio must be of one "
                f"release: {GPU_COMMAND} in a new environment, or {WITHOUT}"
            ) from error
    return pyannote.audio


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """Whoever imports `module` meanwhile is told that there is none, unless it is imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(module, None)


def open_pipeline(name: str) -> Any:
    """A pipeline by its repository on the hub (`owner/name` or `owner/name@revision`), its folder or its config file.

    Raises BackendMissing without pyannote.audio, SettingsError for a name that is none of these, and WeightsMissing
    that says what to do where it cannot be had: which page to accept, where to put the token.
    """
    audio = library()
    place = Path(name).expanduser()
    if place.exists():
        return _opened(audio, place, name)
    if len(name.split("/")) != 2 or name.startswith((".", "~", "/")):
        raise SettingsError(
            f"diarizer_options: pipeline = {name!r}: there is no such folder; give a folder with {CONFIG}, or the name "
            f"of a pipeline on the hub such as {DEFAULT}"
        )
    return _opened(audio, fetched(name), name)


def _opened(audio: Any, place: Path, name: str) -> Any:
    """Its parts may be repositories of their own, each with a page to accept."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    config = place / CONFIG if place.is_dir() else place
    if not config.is_file():
        raise WeightsMissing(f"{place}: a pipeline's folder has a {CONFIG}; this has none. {INSTEAD}")
    try:
        with quiet():
            # The config's own text names its other files relative to it.
            pipeline = audio.Pipeline.from_pretrained(str(place), token=get_token())
    except GatedRepoError as error:
        raise WeightsMissing(_gated(_repository_of(error) or name)) from error
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise WeightsMissing(f"a part of {name} could not be downloaded: {_first(error)}. {INSTEAD}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, ImportError) as error:
        raise WeightsMissing(_unusable(name, error)) from error
    except _faults() as error:
        raise WeightsMissing(_unusable(name, error)) from error
    if not pipeline.instantiated:
        pipeline.instantiate(pipeline.default_parameters())
    return pipeline


def wanted(name: str) -> Wanted:
    """A pipeline's repository, `owner/name` or `owner/name@revision`, without what is only read by people."""
    repository, _, revision = name.partition("@")
    return Wanted(repository, ignored=NEEDLESS, needed=(CONFIG,), revision=revision or "main")


def fits(pipeline: Any) -> bool:
    """Whether a pipeline is pyannote's own `SpeakerDiarization`, with networks that can be run from outside it."""
    from pyannote.audio.pipelines import SpeakerDiarization
    from pyannote.audio.pipelines.speaker_verification import (
        PyannoteAudioPretrainedSpeakerEmbedding,
    )

    if not isinstance(pipeline, SpeakerDiarization) or pipeline.klustering == "OracleClustering":
        return False
    own = all(
        getattr(type(pipeline), name) is getattr(SpeakerDiarization, name)
        for name in ("apply", "get_segmentations", "get_embeddings", "reconstruct", "speaker_count", "to_annotation")
    )
    model = pipeline._segmentation.model
    return (
        own
        and bool(model.specifications.powerset)
        and model.audio.sample_rate == SPEECH_RATE
        and isinstance(pipeline._embedding, PyannoteAudioPretrainedSpeakerEmbedding)
        and pipeline._embedding.sample_rate == SPEECH_RATE
    )


def fetched(name: str) -> Path:
    """The folder of a pipeline of the hub. Nothing touches the network while all of it is on this machine.

    Raises WeightsMissing.
    """
    what = wanted(name)
    place = here(what)
    if place is not None and complete(place):
        return place
    try:
        return fetch(what, Hub.known(QUICK))
    except HubFault as fault:
        raise WeightsMissing(_nowhere(what.repository, str(fault))) from fault


def complete(folder: Path) -> bool:
    """Whether a downloaded pipeline has its config and every part of itself that the config names."""
    config = folder / CONFIG
    if not config.is_file():
        return False
    parts = {word.strip("'\",}") for word in config.read_text(encoding="utf-8").split() if "$model/" in word}
    own = [folder / part.split("$model/", 1)[1].split("@")[0] for part in parts]
    return all(part.is_dir() and any(part.iterdir()) for part in own)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """pyannote.audio prints and warns on its own; what matters is raised. One thread at a time: both are the process's,
    and who ends second would put back what the first had put in their place."""
    with _QUIET, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _gated(repository: str) -> str:
    from huggingface_hub import constants

    return (
        f"{repository} is free, but its makers ask who uses it: accept its conditions at "
        f"{constants.ENDPOINT}/{repository} with your account, make a token at {constants.ENDPOINT}/settings/tokens, "
        f"and set HF_TOKEN to it or run `hf auth login`. {INSTEAD}"
    )


def _faults() -> tuple[type[Exception], ...]:
    """What pyannote.audio raises for a pipeline of another version: its errors have no base of their own."""
    from pyannote.audio.utils import dependencies
    from yaml import YAMLError

    return (dependencies.MissingDependency, dependencies.WrongDependencyVersion, YAMLError)


def _unusable(name: str, error: Exception) -> str:
    return f"{name} cannot be opened as a pyannote.audio pipeline: {_first(error)}. {INSTEAD}"


def _nowhere(repository: str, why: str) -> str:
    return f"the pipeline {repository} is not on this machine and could not be downloaded: {why}. {INSTEAD}"


def _repository_of(error: Exception) -> str | None:
    """`owner/name` from the address that was asked: `.../owner/name/resolve/...`."""
    response = getattr(error, "response", None)
    path = str(getattr(response, "url", "")).split("/resolve/")[0]
    parts = path.rsplit("/", 2)
    return "/".join(parts[-2:]) if "/resolve/" in str(getattr(response, "url", "")) and len(parts) == 3 else None


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


PART = re.compile(r"^\s+\w+:\s*[\"']?([\w.-]+/[\w.-]+(?:@[\w./-]+)?)[\"']?\s*$", re.MULTILINE)
"""A line `segmentation: owner/name` under `params`."""


def parts(place: Path) -> list[str]:
    """The repositories that a pipeline's config names as its parts."""
    try:
        text = (place / "config.yaml" if place.is_dir() else place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return list(dict.fromkeys(PART.findall(text)))
