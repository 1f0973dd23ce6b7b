"""One beam search over a batch: its memory, its prompt, its steps.

Of twice as many candidates as beams, those that end go to the finished guesses if they are among the best, the others
go on; a piece is done when it has as many guesses as beams, as in CTranslate2 with patience 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from captioner.models.asr.engine import Guess, Request
from captioner.models.asr.logmel import put

if TYPE_CHECKING:
    from captioner.models.asr.whispersearch import Search

STRETCH = 64
"""Places by which the caches of past tokens grow."""
LOOK = 8
"""Steps between two looks at whether all pieces are done."""
ROWS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512)
"""Batches are filled up to one of these sizes, and places to a multiple of `PLACES`: recording a step takes as long as
thirty steps, so few sizes must do."""
PLACES = 256


class Run:
    """One batch. Tensors have a row a piece, and a column a beam where there are beams."""

    sound: Any
    """Keys and values of what is heard, a layer."""
    heard: Any
    tokens: Any
    """(rows, beams): said last."""
    totals: Any
    """(rows, beams): log-probability so far."""
    said: Any
    """(rows, beams, steps)."""
    finished: Any
    """(rows, guesses, steps): what came to its end, `lengths` and `marks` with it, `count` of them a row."""
    lengths: Any
    marks: Any
    count: Any
    step: Any
    """(1,): tokens said."""
    last: Any
    banned: Any
    """(vocabulary,): 0, or minus infinity for what is never said."""

    def __init__(self, search: Search, states: Any, own: Any, request: Request) -> None:
        import torch

        self.search, self.net, self.request = search, search.net, request
        self.recorded = search.recorded
        self.asked, self.places, _ = states.shape
        self.rows = self.asked
        if self.recorded:
            self.rows = next((rows for rows in ROWS if rows >= self.asked), self.asked)
            self.places = -(-self.places // PLACES) * PLACES
        self.beams = request.beam_size
        self.prompt = len(request.prompt)
        self.steps = max(request.rooms)
        net, whole = self.net, torch.long
        reserve = -(-self.steps // STRETCH) * STRETCH
        self.depth = net.width // net.heads
        guesses = 2 * self.beams + 1  # the last takes what is not kept
        shapes = {
            "sound": ((net.decoder_layers, 2, self.rows, net.heads, self.places, self.depth), net.kind),
            "heard": ((self.rows, 1, 1, self.places), net.kind),
            "tokens": ((self.rows, self.beams), whole),
            "totals": ((self.rows, self.beams), torch.float32),
            "said": ((self.rows, self.beams, reserve), whole),
            "finished": ((self.rows, guesses, reserve), whole),
            "lengths": ((self.rows, guesses), whole),
            "marks": ((self.rows, guesses), torch.float32),
            "count": ((self.rows,), whole),
            "step": ((1,), whole),
            "last": ((self.rows, 1), whole),
            "banned": ((net.vocabulary,), torch.float32),
        }
        for name, (shape, kind) in shapes.items():
            setattr(self, name, search.memory(name, shape, kind))
        self._fixed = tuple(getattr(self, name) for name in shapes)
        self._caches: Any = None
        self._fill(states, own)

    def _fill(self, states: Any, own: Any) -> None:
        import torch

        self.banned.zero_()
        if self.request.suppressed:
            self.banned.index_fill_(0, put(self.request.suppressed, self.net.device), -torch.inf)
        for name in ("count", "step", "said", "finished", "lengths", "last"):
            getattr(self, name).zero_()  # a row that is there to fill up ends with its first token
        self.marks.fill_(-torch.inf)
        rooms = put(self.request.rooms, self.net.device)
        self.last[: self.asked, 0] = rooms - 1
        places = states.shape[1]
        count = torch.full((self.rows,), places, device=self.net.device)
        if own is not None:
            count[: self.asked] = own
        self.heard.copy_(self.net.heard(self.places, count))
        if own is None and not self.recorded:
            self.heard = None
        for layer in range(self.net.decoder_layers):
            self.sound[layer, :, : self.asked, :, :places].copy_(self.net.cross(states, layer))

    # -- the prompt --------------------------------------------------------------------------------------------------

    def guesses(self) -> list[Guess]:
        import torch

        request, net = self.request, self.net
        kept: list[Any] = []

        def keep(_: int, new: Any) -> Any:
            kept.append(new)
            return new

        prompt = put([request.prompt], net.device).expand(self.rows, -1)
        place = torch.arange(self.prompt, device=net.device)
        mask = place[:, None] >= place[None, :]
        hidden = net.decode(prompt, place, keep, lambda layer: self.sound[layer], mask, self.heard)
        start = request.prompt.index(request.start)
        first = net.scores(hidden[:, start])
        silence = first.softmax(-1)[:, request.silence]
        spoken = first[:, put(request.languages, net.device)].softmax(-1) if request.languages else first[:, :0]
        scores = net.scores(hidden[:, -1], self.banned)
        scores.index_fill_(1, put([request.blank, request.end], net.device), -torch.inf)
        if self.beams == 1:
            self.totals.zero_()
            self._go_on(scores)
        else:
            totals, tokens = scores.log_softmax(-1).topk(2 * self.beams)
            self._take(totals, torch.zeros_like(tokens), tokens)
        self._run(kept)
        return self._collected(silence, spoken)

    def _run(self, kept: Sequence[Any]) -> None:
        """The steps, in stretches: caches hold `room` places and are moved into larger ones when these are full."""
        done = 1
        filled = self.prompt
        held = [
            [part.repeat_interleave(self.beams, 0) for part in pair] for pair in kept
        ]  # (rows * beams, heads, places, depth)
        while done < self.steps:
            room = -(-(filled + 1) // STRETCH) * STRETCH
            room = max(room, STRETCH * 2)
            self._cache(room, held)
            until = min(self.steps, done + room - filled)
            if self._stretch(done, until):
                return
            filled, done = filled + until - done, until
            held = [[part[:, :, :filled].clone() for part in pair] for pair in self._caches]

    def _cache(self, room: int, held: Sequence[Any]) -> None:
        import torch

        net, rows = self.net, self.rows * self.beams
        shape = (net.decoder_layers, 2, rows, net.heads, room, self.depth)
        self._caches = self.search.memory("past", shape, net.kind)
        for layer, pair in enumerate(held):
            for side, part in enumerate(pair):
                self._caches[layer, side, :, :, : part.shape[2]].copy_(part)
        self.mask = self.search.memory("mask", (room,), net.kind)
        self.mask.fill_(-torch.inf)
        self.mask[: held[0][0].shape[2]] = 0.0

    def _stretch(self, done: int, until: int) -> bool:
        """Steps `done` to `until`; whether all pieces came to their end."""
        used = (*self._fixed, self._caches, self.mask)
        fixed = (self.beams, self.prompt, self.request.end, self.request.no_repeat)
        key = (*fixed, *((part.shape, part.data_ptr()) for part in used))
        for number in range(done, until):
            if self.recorded:
                self.search.replay(key, self._step)
            else:
                self._step()
            if number % LOOK == 0 and self.search.seen(self.count >= self.beams):
                return True
        return bool((self.count >= self.beams).all())

    # -- one step ----------------------------------------------------------------------------------------------------

    def _step(self) -> None:

        net = self.net
        place = self.step + self.prompt - 1
        self.mask.index_fill_(0, place, 0.0)

        def keep(layer: int, new: Any) -> Any:
            return self._caches[layer].index_copy_(3, place, new)

        hidden = net.decode(
            self.tokens.view(-1, 1), place, keep, lambda layer: self.sound[layer], self.mask[None, :], self.heard
        )
        scores = net.scores(hidden[:, 0], self.banned)
        if self.request.no_repeat:
            self._forbid_repeats(scores)
        if self.beams == 1:
            self._go_on(scores)
            return
        scores = scores.log_softmax(-1).view(self.rows, self.beams, -1)
        best, tokens = scores.topk(2 * self.beams)
        totals, order = (best + self.totals[..., None]).flatten(1).topk(2 * self.beams)
        self._take(totals, order // (2 * self.beams), tokens.flatten(1).gather(1, order))

    def _forbid_repeats(self, scores: Any) -> None:
        """No run of `no_repeat` tokens may come again: the last of it is barred. The same kernels at every step."""
        import torch

        size = self.request.no_repeat
        past = self.said.flatten(0, 1)
        runs = past.unfold(1, size, 1)  # (rows, places, size)
        ahead = torch.arange(1 - size, 0, device=self.net.device)
        latest = past.index_select(1, (self.step + ahead).clamp(min=0))
        first = torch.arange(runs.shape[1], device=self.net.device)
        again = (runs[..., :-1] == latest[:, None]).all(-1) & (first + size <= self.step)
        barred = torch.where(again, -torch.inf, 0.0).to(scores.dtype)
        scores.scatter_add_(1, runs[..., -1], barred)

    def _go_on(self, scores: Any) -> None:
        """The most probable token of each row, where there is one beam: what `_take` comes to in a third of its
        kernels, each of which waits for its place beside the encoder's. A row that has ended goes on unheeded."""
        import torch

        best, tokens = scores.log_softmax(-1).max(-1, keepdim=True)
        self.totals += best
        ends = tokens == self.request.end
        stops = (ends | (self.step == self.last)) & (self.count[:, None] == 0)
        length = self.step + (~ends).long()
        # As CTranslate2: the end mark counts for the sum, not for the length.
        mark = self.totals / length.clamp(min=1)
        self.marks[:, :1].copy_(torch.where(stops, mark, self.marks[:, :1]))
        self.lengths[:, :1].copy_(torch.where(stops, length, self.lengths[:, :1]))
        self.count += stops[:, 0]
        self.tokens.copy_(tokens)
        self.said.index_copy_(2, self.step, tokens[:, None])
        self.step += 1

    def _take(self, totals: Any, beams: Any, tokens: Any) -> None:
        """Candidates, best first: (rows, 2 * beams) of log-probability, beam and token."""
        import torch

        k = self.beams
        ends = tokens == self.request.end
        stops = (ends | (self.step == self.last))[:, :k] & (self.count < k)[:, None]
        slot = torch.where(stops, self.count[:, None] + stops.cumsum(1) - 1, 2 * k)
        said = self.said.gather(1, beams[..., None].expand(-1, -1, self.said.shape[2]))
        said.scatter_(2, self.step.expand(self.rows, 2 * k, 1), tokens[..., None])
        length = self.step + (~ends[:, :k]).long()
        # As CTranslate2: the end mark counts for the sum, not for the length.
        self.marks.scatter_(1, slot, totals[:, :k] / length.clamp(min=1))
        self.lengths.scatter_(1, slot, length)
        self.finished.scatter_(1, slot[..., None].expand(-1, -1, said.shape[2]), said[:, :k])
        self.marks[:, 2 * k] = -torch.inf
        self.count += stops.sum(1)
        on = torch.sort(ends.long(), dim=1, stable=True).indices[:, :k]
        self.totals.copy_(totals.gather(1, on))
        self.tokens.copy_(tokens.gather(1, on))
        self.said.copy_(said.gather(1, on[..., None].expand(-1, -1, said.shape[2])))
        if self._caches is not None:
            first = torch.arange(self.rows, device=self.net.device)[:, None] * k
            rows = (first + beams.gather(1, on)).flatten()
            for layer in range(self.net.decoder_layers):
                self._caches[layer].copy_(self._caches[layer].index_select(1, rows))
        self.step += 1

    def _collected(self, silence: Any, spoken: Any) -> list[Guess]:
        marks, order = self.marks[:, :-1].sort(dim=1, descending=True)
        lengths = self.lengths.gather(1, order).tolist()
        finished = self.said.expand(-1, marks.shape[1], -1) if self.beams == 1 else self.finished
        said = finished.gather(1, order[..., None].expand(-1, -1, finished.shape[2]))
        longest = max(1, *map(max, lengths))
        answers = (said[..., :longest], marks, self.count, silence, spoken)
        rows = zip(*(answer.tolist() for answer in answers), lengths, strict=True)
        found = []
        for texts, scores, count, unsaid, shares, own in islice(rows, self.asked):
            kept = range(min(count, self.beams))
            found.append(Guess([texts[i][: own[i]] for i in kept], [scores[i] for i in kept], unsaid, shares))
        return found
