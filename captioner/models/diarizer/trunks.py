"""What a speaker embedding network hears of a window before it asks who: the same for all who speak in the window.

WeSpeaker's ResNets, which pyannote's own pipelines have, end in the mean and deviation of their frames, weighted by
where one person speaks. All before that is the trunk, nearly all of the work, and needs doing once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

Precision = Literal["auto", "full", "tf32", "half"]


def chosen(asked: Precision, device: Any) -> Precision:
    """What `auto` means on a device."""
    if device.type != "cuda":
        return "full"
    return "half" if asked == "auto" else asked


def trunk(model: Any, precision: Precision) -> Callable[[Any], Any] | None:
    """Frames of windows, for all local speakers alike; None for a network that cannot hand them out.

    Filter banks stay in full precision, since samples are scaled to 16 bits there, whose squares half precision cannot
    hold; so do the statistics over frames.
    """
    if not all(hasattr(model, part) for part in ("compute_fbank", "resnet", "forward_embedding")):
        return None
    if precision != "half":
        return lambda waves: model.resnet.forward_frames(model.compute_fbank(waves))
    halved = folded(model.resnet)
    return lambda waves: halved.forward_frames(model.compute_fbank(waves).half()).float()


def folded(resnet: Any) -> Any:
    """A copy in half precision, for inference only: every normalisation is folded, in full precision, into the
    convolution before it, and channels come last, as tensor cores want them."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    made = copy.deepcopy(resnet).eval()
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            before = _before(name)
            convolution = getattr(module, before, None) if before else None
            if isinstance(child, torch.nn.BatchNorm2d) and isinstance(convolution, torch.nn.Conv2d):
                setattr(module, before, fuse_conv_bn_eval(convolution, child))
                setattr(module, name, torch.nn.Identity())
    return made.half().to(memory_format=torch.channels_last)


def _before(name: str) -> str:
    """The name of the convolution whose answer the module `name` gets: bn1 conv1's, 1 0's in a sequence."""
    if name.isdigit():
        return str(int(name) - 1)
    return name.replace("bn", "conv")
