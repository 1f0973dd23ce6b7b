"""The best path of many texts through many recordings at once: CTC forced alignment, on any device of torch.

Graves et al., 2006: between the letters of a text stand blanks, which may be left out unless they part two equal
letters. torchaudio's `forced_align` does the same for one text at a time; here a batch takes the steps of its longest
recording together, and no letter is looked for far from where its word was heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ASTRAY = -1e3
"""What a frame costs in which a letter must not be: paths exist even where there is no other."""


def with_star(scores: Any, unsaid: Sequence[int]) -> Any:
    """(rows, frames, tokens) of log probabilities, with one token more at the end: any but those `unsaid`."""
    import torch

    said = scores.clone()
    said[..., list(unsaid)] = -torch.inf
    return torch.cat([scores, said.logsumexp(-1, keepdim=True)], 2)


def paths(scores: Any, targets: Any, counts: Any, frames: Any, first: Any, last: Any, blank: int) -> tuple[Any, Any]:
    """The first and the last frame of each letter on the best path: (rows, letters) each, on the CPU.

    `scores`: (rows, frames, tokens) of log probabilities, of which a row uses its first `frames`. `targets`: (rows,
    letters), of which it uses `counts`, at least one. `first`, `last`: (rows, letters), the frames between which each
    may be. All on one device. Where a row has fewer frames than its letters need, its answer is -1.
    """
    import torch

    rows, most, _ = scores.shape
    device, letters = scores.device, targets.shape[1]
    states = torch.full((rows, 2 * letters + 1), blank, dtype=torch.long, device=device)
    states[:, 1::2] = targets
    place = torch.arange(2 * letters + 1, device=device)
    outside = place[None] > 2 * counts[:, None]
    leaps = torch.zeros_like(outside)
    leaps[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    never = torch.full((rows, 2), -torch.inf, device=device)
    earliest, latest = torch.zeros_like(states), torch.full_like(states, most)
    earliest[:, 1::2], latest[:, 1::2] = first, last

    def emitted(frame: int) -> Any:
        astray = (earliest > frame) | (latest < frame)
        return scores[:, frame].gather(1, states) + astray * ASTRAY

    best = emitted(0).masked_fill(outside | (place[None] > 1), -torch.inf)
    ways = torch.zeros((most, rows, 2 * letters + 1), dtype=torch.uint8, device=device)
    for frame in range(1, most):
        padded = torch.cat([never, best], 1)
        leapt = padded[:, :-2].masked_fill(~leaps, -torch.inf)
        top, way = torch.stack([best, padded[:, 1:-1], leapt]).max(0)
        going = (frames > frame)[:, None]
        best = torch.where(going, (top + emitted(frame)).masked_fill(outside, -torch.inf), best)
        ways[frame] = way * going
    return _traced(best, ways, counts, frames, letters)


def _traced(best: Any, ways: Any, counts: Any, frames: Any, letters: int) -> tuple[Any, Any]:
    import torch

    most, rows, _ = ways.shape
    ends = torch.stack([2 * counts - 1, 2 * counts], 1)
    final = best.gather(1, ends)
    at = ends.gather(1, final.argmax(1, keepdim=True))
    taken = torch.empty((rows, most), dtype=torch.long, device=best.device)
    for frame in range(most - 1, -1, -1):
        taken[:, frame] = at[:, 0]
        at = at - ways[frame].gather(1, at)
    frame = torch.arange(most, device=best.device).expand(rows, -1)
    # Blanks, and frames behind the end of a row, go to one more column, which is thrown away.
    said = (taken % 2 == 1) & (frame < frames[:, None])
    letter = torch.where(said, taken // 2, letters)
    empty = torch.full((rows, letters + 1), -1, dtype=torch.long, device=best.device)
    first = empty.scatter_reduce(1, letter, frame, "amin", include_self=False)[:, :letters]
    last = empty.scatter_reduce(1, letter, frame, "amax", include_self=False)[:, :letters]
    found = torch.isfinite(final.max(1).values)[:, None]
    return torch.where(found, first, -1).cpu(), torch.where(found, last, -1).cpu()
