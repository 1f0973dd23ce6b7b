"""When each token is said: the decoder's attention to the sound, smoothed, and the cheapest path through it.

As Whisper's own word times and CTranslate2's `align`, for many pieces at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.models.asr.engine import Aligned
from captioner.models.asr.packing import FRAME
from captioner.models.asr.whispernet import Net

MEDIAN = 7
"""Frames over which attention is smoothed."""
_SIDE = MEDIAN // 2


def attended(
    net: Net, states: Any, own: Any, start: Sequence[int], marks: tuple[int, int], tokens: Sequence[Sequence[int]],
    frames: Sequence[int],
) -> tuple[Any, Any]:  # fmt: skip
    """Costs of saying a token at a frame, skewed for `paths`, and each token's probability; both on the CPU.

    `own`: places of each row of `states` that count, None for all. `marks`: no time marks, and the end. `frames`:
    alignment frames (20 ms) of each piece that are sound.
    """
    import torch

    with torch.inference_mode():
        rows, device = len(tokens), net.device
        most = max(map(len, tokens))
        given = torch.full((rows, len(start) + most + 2), marks[1], dtype=torch.long)
        for row, ids in zip(given, tokens, strict=True):
            row[: len(start) + 1 + len(ids)] = torch.tensor([*start, marks[0], *ids])
        given = given.to(device)
        counts = torch.tensor([len(ids) for ids in tokens], device=device)
        length = torch.tensor(list(frames), device=device)
        place = torch.arange(given.shape[1], device=device)
        parts: list[Any] = []

        def seen(layer: int, queries: Any, keys: Any) -> None:
            heads = [head for at, head in net.alignment_heads if at == layer]
            if heads:
                scaled = queries[:, heads].float() * (queries.shape[-1] ** -0.5)
                parts.append(
                    _smoothed(scaled @ keys[:, heads].float().transpose(2, 3), counts + len(start) + 2, length)
                )

        crosses = [net.cross(states, layer) for layer in range(net.decoder_layers)]
        hidden = net.decode(
            given,
            place,
            lambda _, k, v: (k, v),
            lambda layer: crosses[layer],
            place[:, None] >= place[None, :],
            net.heard(states.shape[1], own),
            seen,
        )
        first = len(start)
        scores = net.scores(hidden[:, first : first + most])[..., : marks[1]]  # among words, as Whisper has it
        spoken = given[:, first + 1 : first + 1 + most, None].clamp(max=marks[1] - 1)
        sure = (scores.gather(2, spoken) - scores.logsumexp(-1, keepdim=True)).exp()[..., 0]
        total = sum(part.sum(1) for part in parts)
        cost = -(total / len(net.alignment_heads))[:, first : first + most + 1]
        return _skewed(cost).cpu(), sure.cpu()


def _smoothed(attention: Any, counts: Any, length: Any) -> Any:
    """(rows, heads, tokens, frames) of raw attention: a share of each piece's own frames, each frame's tokens compared
    with one another, smoothed over neighbouring frames."""
    import torch

    rows, heads, tokens, frames = attention.shape
    device = attention.device
    outside = torch.arange(frames, device=device)[None, :] >= length[:, None]
    weights = attention.masked_fill(outside[:, None, None], -torch.inf).softmax(-1)
    real = (torch.arange(tokens, device=device)[None, :] < counts[:, None])[:, None, :, None]
    share = 1.0 / counts[:, None, None, None]
    mean = (weights * real).sum(2, keepdim=True) * share
    spread = (((weights - mean) * real).square().sum(2, keepdim=True) * share).sqrt()
    weights = (weights - mean) / spread.clamp(min=1e-12)
    place = torch.arange(-_SIDE, frames + _SIDE, device=device)[None, :].expand(rows, -1)
    last = (length - 1)[:, None]
    place = place.abs()
    place = torch.where(place > last, 2 * last - place, place).clamp(min=0)
    wide = weights.gather(3, place[:, None, None].expand(-1, heads, tokens, -1))
    return _median([wide[..., shift : shift + frames] for shift in range(MEDIAN)])


def _median(seven: list[Any]) -> Any:
    """The middle one of seven tensors, element by element, by exchanges: sorting would take ten times as long."""
    import torch

    p = list(seven)
    exchanges = ((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6), (2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4))
    for low, high in exchanges:
        p[low], p[high] = torch.minimum(p[low], p[high]), torch.maximum(p[low], p[high])
    return p[3]


def _skewed(cost: Any) -> Any:
    """(rows, tokens, frames) -> (tokens + frames - 1, rows, tokens): what a step along the path's diagonals needs."""
    import torch

    rows, tokens, frames = cost.shape
    wide = torch.nn.functional.pad(cost.float(), (0, tokens)).contiguous()
    line = frames + tokens
    skew = wide.as_strided((rows, tokens, line - 1), (tokens * line, line - 1, 1))
    return skew.permute(2, 0, 1).contiguous()


def paths(skewed: NDArray[np.float32], tokens: Sequence[int], frames: Sequence[int]) -> list[NDArray[np.int64]]:
    """The frame at which each token of each piece is first reached, on the cheapest path that skips neither.

    `skewed`: (diagonals, rows, tokens); a piece uses its first `tokens` x `frames` of it.
    """
    diagonals, rows, most = skewed.shape
    before = np.full((rows, most + 1), np.inf, np.float32)
    before[:, 0] = 0.0
    last = np.full((rows, most + 1), np.inf, np.float32)
    moves = np.zeros((diagonals, rows, most), np.uint8)
    for diagonal in range(diagonals):
        both, token, frame = before[:, :-1], last[:, :-1], last[:, 1:]
        now = np.full((rows, most + 1), np.inf, np.float32)
        best = np.minimum(both, token)
        stays = frame <= best
        np.copyto(moves[diagonal], token < both)
        moves[diagonal][stays] = 2
        np.add(np.minimum(best, frame), skewed[diagonal], out=now[:, 1:])
        before, last = last, now
    return _walked(moves, tokens, frames)


def _walked(moves: NDArray[np.uint8], tokens: Sequence[int], frames: Sequence[int]) -> list[NDArray[np.int64]]:
    rows = np.arange(len(tokens))
    i, j = np.array(tokens) - 1, np.array(frames) - 1
    reached = np.zeros((len(tokens), max(tokens)), np.int64)
    while len(rows):
        reached[rows, i] = j
        move = moves[i + j, rows, i]
        move = np.where(i == 0, 2, np.where(j == 0, 1, move))
        going = (i > 0) | (j > 0)
        rows, move = rows[going], move[going]
        i, j = i[going] - (move != 2), j[going] - (move != 1)
    return [own[:count] for own, count in zip(reached, tokens, strict=True)]


def aligned(skewed: Any, sure: Any, tokens: Sequence[Sequence[int]], frames: Sequence[int]) -> list[Aligned]:
    """Times and probabilities of each piece's tokens, from what `attended` gives."""
    found = paths(skewed.numpy(), [len(own) + 1 for own in tokens], frames)
    return [
        Aligned((reached * 2 * FRAME).tolist(), own[: len(ids)].tolist())
        for reached, own, ids in zip(found, sure, tokens, strict=True)
    ]
