"""When each token is said: the decoder's attention to the sound, smoothed, and the cheapest path through it.

As Whisper's own word times and CTranslate2's `align`, for many pieces at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    """The alignment frame at which each token, the end mark among them, begins, and each token's probability: (rows,
    tokens), both on the CPU.

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
        return paths(cost, counts + 1, length).cpu(), sure.cpu()


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


def paths(cost: Any, counts: Any, lengths: Any) -> Any:
    """The frame at which each token is first reached, on the cheapest path that skips no token and no frame.

    `cost`: (rows, tokens, frames), of which a row uses its first `counts` tokens and `lengths` frames; all on one
    device, and so is the answer, (rows, tokens). A row of the table at a time: within it, the cheapest way in before
    each frame is a running minimum, so that a few large steps do for all pieces together.
    """
    import torch

    rows, tokens, _ = cost.shape
    price = cost.double()
    before = price[:, 0].cumsum(1)
    entered, slanted = [torch.zeros_like(before, dtype=torch.long)], [torch.zeros_like(before, dtype=torch.bool)]
    wall = torch.full((rows, 1), torch.inf, dtype=torch.float64, device=cost.device)
    for token in range(1, tokens):
        sums = price[:, token].cumsum(1)
        shifted = torch.cat([wall, before[:, :-1]], 1)
        ways = (torch.minimum(shifted, before) - (sums - price[:, token])).cummin(1)
        entered.append(ways.indices)
        slanted.append(shifted < before)
        before = sums + ways.values
    reached = torch.zeros((rows, tokens), dtype=torch.long, device=cost.device)
    at = (lengths - 1)[:, None]
    for token in range(tokens - 1, -1, -1):
        mine = (counts > token)[:, None]
        first = entered[token].gather(1, at)
        reached[:, token : token + 1] = torch.where(mine, first, 0)
        at = torch.where(mine, first - slanted[token].gather(1, first).long(), at)
    return reached


def aligned(reached: Any, sure: Any, tokens: Sequence[Sequence[int]]) -> list[Aligned]:
    """Times and probabilities of each piece's tokens, from what `attended` gives."""
    times = (reached * (2 * FRAME)).tolist()
    return [
        Aligned(own[: len(ids) + 1], probabilities[: len(ids)])
        for own, probabilities, ids in zip(times, sure.tolist(), tokens, strict=True)
    ]
