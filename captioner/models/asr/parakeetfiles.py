"""Where a Parakeet's files are, and what they hold: weights, tokens, and how its spectrogram is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import BackendMissing, ModelError, WeightsMissing
from captioner.models.asr import weights
from captioner.models.asr.tokenwords import START, UNWRITTEN

if TYPE_CHECKING:
    from captioner.models.asr.parakeetnet import Front
    from captioner.models.fetching import Wanted

DEFAULT = "nvidia/parakeet-tdt-0.6b-v3"
FILES = ("*.json", "*.safetensors")
NEEDED = ("config.json", "tokenizer.json", "*.safetensors")
KINDS = {"parakeet_tdt": "ParakeetForTDT", "parakeet_rnnt": "ParakeetForRNNT", "parakeet_ctc": "ParakeetForCTC"}


def wanted(repository: str) -> Wanted:
    """What of a repository is needed."""
    from captioner.models.fetching import Wanted

    return Wanted(repository, FILES, needed=NEEDED)


def model_folder(name: str) -> Path:
    """Where the model is, fetched where it has to be."""
    from captioner.models.fetching import Hub, fetch, here
    from captioner.models.hubfaults import HubFault

    folder = Path(name).expanduser()
    if folder.is_dir():
        missing = [need for need in NEEDED if not any(folder.glob(need))]
        if missing:
            raise WeightsMissing(
                f"{folder}: {', '.join(missing)} missing; give a folder in transformers' layout (its "
                "convert_nemo_to_hf.py makes one of a .nemo file)"
            )
        return folder
    if name.count("/") != 1 or folder.is_absolute():
        raise WeightsMissing(f"model = {name!r}: there is no such folder; give a folder, or a repository as owner/name")
    what = wanted(name)
    try:
        return here(what) or fetch(what, Hub.known(weights.QUICK))
    except HubFault as fault:
        flag = "--asr" if "parakeet" in name.lower() else "--repository"
        raise WeightsMissing(
            f"{name} is not on this machine and could not be downloaded: {fault}; where the hub can be reached "
            f"`captioner fetch-models {flag} {name}` fetches it, or give a model folder as `model`"
        ) from fault


def pieces_of(folder: Path) -> list[str]:
    """The text of each token; "" for the model's own marks. Raises ModelError for a tokenizer without word starts."""
    file = folder / "tokenizer.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        vocabulary = known["model"]["vocab"]
        # A dictionary of numbers, or (Unigram) a list with scores.
        numbers = vocabulary if isinstance(vocabulary, dict) else {row[0]: at for at, row in enumerate(vocabulary)}
        marks = {token["content"]: token["id"] for token in known["added_tokens"] if token["special"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsMissing(f"{file}: it is no tokenizer that can be read ({error!r})") from error
    pieces = [""] * (max((numbers | marks).values(), default=-1) + 1)
    for piece, number in numbers.items():
        pieces[number] = "" if piece in marks and piece not in UNWRITTEN else piece
    if not any(piece.startswith(START) for piece in pieces):
        raise ModelError(f"{file}: no token begins with {START!r}, so that words cannot be told apart")
    return pieces


def opened(transformers: Any, folder: Path) -> tuple[Any, Front]:
    """The model and what its spectrogram is like, of files alone."""
    from safetensors import SafetensorError

    from captioner.models.asr.parakeetnet import Front
    from captioner.models.tagger.torched import no_bars

    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        name = KINDS.get(config.model_type)
        if name is None:
            raise ModelError(f"{folder}: it is a {config.model_type} model; asr parakeet takes {', '.join(KINDS)}")
        if not hasattr(transformers, name):
            raise BackendMissing(
                f"asr parakeet: transformers {transformers.__version__} has no {name}; pip install -U 'transformers<6'"
            )
        with no_bars():
            model, found = getattr(transformers, name).from_pretrained(
                folder, local_files_only=True, output_loading_info=True
            )
        front = Front.of(_front_settings(folder))
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        why = (str(error).strip().splitlines() or ["no details"])[0]
        raise WeightsMissing(f"{folder}: Parakeet cannot be loaded ({why}); give its folder as `model`") from error
    # transformers would fill in what is missing by chance.
    if missing := sorted(found["missing_keys"]):
        raise WeightsMissing(
            f"{folder}: {len(missing)} of its weights missing: {', '.join(missing[:3])}; fetch it again"
        )
    return model, front


def _front_settings(folder: Path) -> Any:
    """The feature extractor's settings, from either file that they are kept in. Raises OSError without one."""
    own, shared = folder / "preprocessor_config.json", folder / "processor_config.json"
    if own.is_file() or not shared.is_file():
        return json.loads(own.read_text(encoding="utf-8"))
    return json.loads(shared.read_text(encoding="utf-8"))["feature_extractor"]
