"""When each token is said: the decoder's attention to the sound, smoothed, and the cheapest path through it.

As Whisper's own word times and CTranslate2's `align`, for many pieces at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captioner.models import torch_layers
from captioner.models.asr.engine import Aligned
from captioner.models.asr.logmel import put
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
        for row, ids in zip(given.numpy(), tokens, strict=True):
            row[: len(start) + 1 + len(ids)] = [*start, marks[0], *ids]
        given = torch_layers.put(given, device)
        counts = put([len(ids) for ids in tokens], device)
        length = put(list(frames), device)
        place = torch.arange(given.shape[1], device=device)
        parts: list[Any] = []

        def seen(layer: int, queries: Any, keys: Any) -> None:
            own = [head for at, head in net.alignment_heads if at == layer]
            if own:
                heads = put(own, device)
                scaled = queries.index_select(1, heads).float() * (queries.shape[-1] ** -0.5)
                raw = scaled @ keys.index_select(1, heads).float().transpose(2, 3)
                parts.append(_smoothed(raw, counts + len(start) + 2, length).sum(1))

        crosses = [net.cross(states, layer) for layer in range(net.decoder_layers)]
        hidden = net.decode(
            given,
            place,
            lambda _, new: new,
            lambda layer: crosses[layer],
            place[:, None] >= place[None, :],
            net.heard(states.shape[1], own),
            seen,
        )
        first = len(start)
        scores = net.scores(hidden[:, first : first + most])[..., : marks[1]]  # among words, as Whisper has it
        spoken = given[:, first + 1 : first + 1 + most, None].clamp(max=marks[1] - 1)
        sure = (scores.gather(2, spoken) - scores.logsumexp(-1, keepdim=True)).exp()[..., 0]
        total = sum(parts)
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

    rows, tokens, frames = cost.shape
    # Tokens first, so that what one step of the loops takes and leaves lies together. What does not depend on the token
    # before is made for all at once: on a GPU the loops cost their number of calls.
    price = cost.double().transpose(0, 1)
    sums = price.cumsum(2)
    skipped = sums - price
    # One place more in front, which nothing leaves.
    table = torch.full((rows, frames + 1), torch.inf, dtype=torch.float64, device=cost.device)
    shifted, before = table[:, :-1], table[:, 1:]
    before.copy_(sums[0])
    entered = torch.zeros((tokens, rows, frames), dtype=torch.long, device=cost.device)
    slanted = torch.zeros((tokens, rows, frames), dtype=torch.bool, device=cost.device)
    for token in range(1, tokens):
        torch.lt(shifted, before, out=slanted[token])
        least, entered[token] = (torch.minimum(shifted, before) - skipped[token]).cummin(1)
        torch.add(sums[token], least, out=before)
    # Where the path stands before it enters a token; past a piece's own tokens it stays where it is.
    mine = torch.arange(tokens, device=cost.device)[:, None] < counts[None, :]
    left = torch.where(mine[..., None], entered - slanted.gather(2, entered).long(),
                       torch.arange(frames, device=cost.device))  # fmt: skip
    at = (lengths - 1)[:, None]
    reached = [at] * tokens
    for token in range(tokens - 1, -1, -1):
        reached[token] = entered[token].gather(1, at)
        at = left[token].gather(1, at)
    return torch.cat(reached, 1).masked_fill(~mine.T, 0)


def aligned(reached: Any, sure: Any, tokens: Sequence[Sequence[int]]) -> list[Aligned]:
    """Times and probabilities of each piece's tokens, from what `attended` gives."""
    times = (reached * (2 * FRAME)).tolist()
    return [
        Aligned(own[: len(ids) + 1], probabilities[: len(ids)])
        for own, probabilities, ids in zip(times, sure.tolist(), tokens, strict=True)
    ]
