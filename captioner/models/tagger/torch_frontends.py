"""The front ends of `frontends` in torch, on whatever device the windows are: on a GPU they cost nothing, while a
processor needs ten times as long for AST's filter banks as a GPU for AST."""

from __future__ import annotations

from functools import cache
from typing import Any

from captioner.models.tagger import frontends


def ced_mel(windows: Any) -> Any:
    """As `frontends.ced_mel`, of a tensor: float32 (n, samples) in, (n, 64, 1 + samples // 160) out."""
    import torch

    size, device = frontends.CED_SIZE, windows.device
    half = size // 2
    padded = torch.nn.functional.pad(windows[:, None], (half, half), mode="reflect")[:, 0]
    frames = padded.unfold(1, size, frontends.CED_HOP)
    power = torch.fft.rfft(frames * torch.hann_window(size, device=device), dim=2).abs().square()
    levels = 10 * (power @ _on(device, "ced")).clamp_min(1e-10).log10()
    levels = torch.maximum(levels, levels.amax(dim=(1, 2), keepdim=True) - 120)
    return levels.transpose(1, 2)


def ast_fbank(windows: Any, frames: int = frontends.AST_FRAMES) -> Any:
    """As `frontends.ast_fbank`, of a tensor: float32 (n, samples) in, (n, frames, 128) out."""
    import torch

    size, device = frontends.AST_SIZE, windows.device
    made = torch.zeros(len(windows), frames, frontends.AST_BANDS, device=device)
    if windows.shape[1] >= size:
        cut = windows.unfold(1, size, 160)[:, :frames]
        cut = cut - cut.mean(dim=2, keepdim=True)
        before = torch.cat([cut[..., :1], cut[..., :-1]], dim=2)
        shaped = (cut - 0.97 * before) * torch.hann_window(size, periodic=False, device=device)
        power = torch.fft.rfft(shaped, 512, dim=2).abs().square()[..., :-1]
        least = torch.finfo(torch.float32).eps
        made[:, : cut.shape[1]] = (power @ _on(device, "ast")).clamp_min(least).log()
    return (made - frontends.AST_MEAN) / (2 * frontends.AST_DEVIATION)


@cache
def _on(device: Any, kind: str) -> Any:
    import torch

    bank = frontends.ced_bank() if kind == "ced" else frontends.ast_bank()
    return torch.from_numpy(bank.copy()).to(device)
