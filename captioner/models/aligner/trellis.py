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


def said(scores: Any, targets: Any, unsaid: Sequence[int]) -> Any:
    """(rows, frames, letters): how likely each letter of a row's text is at each frame.

    `scores`: (rows, frames, tokens) of log probabilities. `targets`: (rows, letters), tokens; one behind the last of
    them is a star: any token but those `unsaid`.
    """
    import torch

    sounds = scores.clone()
    sounds[..., list(unsaid)] = -torch.inf
    starred = torch.cat([scores, sounds.logsumexp(-1, keepdim=True)], 2)
    return starred.gather(2, targets[:, None].expand(-1, scores.shape[1], -1))


def paths(letters: Any, blanks: Any, targets: Any, counts: Any, frames: Any, first: Any, last: Any) -> tuple[Any, Any]:
    """The first and the last frame of each letter on the best path: (rows, letters) each, on the CPU.

    `letters`: (rows, frames, letters) of log probabilities, of which a row uses its first `frames` and `counts`, at
    least one of each; `blanks`: (rows, frames). `targets` says which letters are equal; `first` and `last`, shaped as
    it, between which frames each may be. All on one device. Where a row has fewer frames than its letters need, its
    answer is -1.
    """
    import torch

    rows, most, count = letters.shape
    device = letters.device
    frame = torch.arange(most, device=device)
    gone = frame[None] >= frames[:, None]
    # Behind its end a row waits in its last blank, which costs nothing; so all rows end together, one frame later.
    astray = (frame[:, None] < first[:, None]) | (frame[:, None] > last[:, None])
    letters = (letters + astray * ASTRAY).masked_fill(gone[..., None], -torch.inf)
    blanks = blanks.masked_fill(gone, 0.0)
    never = torch.full((rows, 1), -torch.inf, device=device, dtype=letters.dtype)
    stuck = torch.zeros((rows, count), dtype=torch.bool, device=device)
    stuck[:, 1:] = targets[:, 1:] == targets[:, :-1]
    # Each letter, and the blank before it, of which there is one more.
    letter = torch.cat([letters[:, 0, :1], never.expand(-1, count - 1)], 1)
    blank = torch.cat([blanks[:, :1], never.expand(-1, count)], 1)
    ways = torch.zeros((most + 1, rows, 2 * count + 1), dtype=torch.uint8, device=device)
    for now in range(1, most + 1):
        after = torch.cat([never, letter], 1)
        leapt = after[:, :-1].masked_fill(stuck, -torch.inf)
        ways[now, :, : count + 1] = after > blank
        top, ways[now, :, count + 1 :] = torch.stack([letter, blank[:, :-1], leapt]).max(0)
        blank = torch.maximum(after, blank)
        if now < most:
            letter, blank = top + letters[:, now], blank + blanks[:, now, None]
    found = torch.isfinite(blank.gather(1, counts[:, None]))
    begun, ended = _traced(ways, counts, count)
    return torch.where(found, begun, -1).cpu(), torch.where(found, ended, -1).cpu()


def _traced(ways: Any, counts: Any, count: int) -> tuple[Any, Any]:
    """Back from the blank behind each row's last letter. Places: blanks 0 to `count`, then the letters."""
    import torch

    most, rows, device = len(ways) - 1, ways.shape[1], ways.device
    back = torch.tensor([0, count + 1, 1], device=device)
    at = counts[:, None]
    taken = torch.empty((rows, most), dtype=torch.long, device=device)
    for now in range(most, 0, -1):
        way = ways[now].gather(1, at).long()
        at = torch.where(at <= count, at + way * count, at - back[way])
        taken[:, now - 1] = at[:, 0]
    frame = torch.arange(most, device=device).expand(rows, -1)
    # Blanks go to one more column, which is thrown away.
    letter = torch.where(taken > count, taken - count - 1, count)
    empty = torch.full((rows, count + 1), -1, dtype=torch.long, device=device)
    first = empty.scatter_reduce(1, letter, frame, "amin", include_self=False)[:, :count]
    last = empty.scatter_reduce(1, letter, frame, "amax", include_self=False)[:, :count]
    return first, last
