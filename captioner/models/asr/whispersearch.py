"""Beam search over a whole batch without leaving the device: one step is the same kernels every time.

On a GPU a step is recorded once for its sizes as a CUDA graph and replayed, since Python is slower than four decoder
layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from captioner.models.asr.engine import Guess, Request
from captioner.models.asr.logmel import put
from captioner.models.asr.whisperbeam import Run
from captioner.models.asr.whispernet import Net
from captioner.models.fitting import is_memory

GRAPHS = 64
"""Recorded steps that are kept."""


class Search:
    """Holds the memory of one device; one call at a time."""

    def __init__(self, net: Net, quiet: AbstractContextManager[Any] | None = None) -> None:
        """`quiet` is held while a step is recorded: nothing else is given to the device meanwhile."""
        import torch

        self.net = net
        self._quiet = nullcontext() if quiet is None else quiet
        self._memory: dict[str, Any] = {}
        self._graphs: dict[tuple[Any, ...], Any] = {}
        self.recorded = net.device.type == "cuda"
        self._pool = torch.cuda.graph_pool_handle() if self.recorded else None
        self._flag = torch.zeros(1, dtype=torch.bool, pin_memory=True) if self.recorded else None
        self._event: Any = None

    def __call__(self, states: Any, own: Any, request: Request) -> list[Guess]:
        """`states`: (rows, places, width), of which each row's first `own` places count, None for all."""
        import torch

        with torch.inference_mode():
            self._event = None
            return Run(self, states, own, request).guesses()

    def seen(self, ended: Any) -> bool:
        """Whether all had ended at the last look, so that the device has steps to do while this one is looked at."""
        import torch

        if self._flag is None:
            return bool(ended.all())
        event, self._event = self._event, torch.cuda.Event()
        if event is not None:
            event.synchronize()
            if bool(self._flag.item()):
                return True
        self._flag.copy_(ended.all(), non_blocking=True)
        self._event.record()
        return False

    def detect(self, states: Any, own: Any, start: int, languages: Sequence[int]) -> Any:
        """Probability of each of the languages' marks after the start mark: float32 (rows, languages), on the CPU."""
        import torch

        net = self.net
        with torch.inference_mode():
            crosses = [net.cross(states, layer) for layer in range(net.decoder_layers)]
            tokens = torch.full((len(states), 1), start, device=net.device)
            place = torch.zeros(1, dtype=torch.long, device=net.device)
            hidden = net.decode(tokens, place, lambda _, new: new, lambda layer: crosses[layer], None,
                                net.heard(states.shape[1], own))  # fmt: skip
            marks = put(list(languages), net.device)
            return net.scores(hidden[:, 0])[:, marks].softmax(-1).cpu()

    def memory(self, name: str, shape: tuple[int, ...], kind: Any) -> Any:
        """A view of memory that stays where it is until it must grow, so that recorded steps find it again."""
        import torch

        size = 1
        for side in shape:
            size *= side
        held = self._memory.get(name)
        if held is None or held.numel() < size or held.dtype != kind:
            self._memory[name] = held = torch.zeros(size, dtype=kind, device=self.net.device)
        return held[:size].view(shape)

    def forget(self) -> None:
        """Lets go of all memory and every recorded step."""
        import torch

        self._graphs.clear()
        self._memory.clear()
        if self._pool is not None:
            self._pool = torch.cuda.graph_pool_handle()

    def replay(self, key: tuple[Any, ...], step: Any) -> None:
        """The step, recorded when it comes for the first time in these sizes."""
        import torch

        if self._pool is None:
            step()
            return
        graph = self._graphs.get(key)
        if graph is None:
            if len(self._graphs) >= GRAPHS:
                self._graphs.clear()
                self._pool = torch.cuda.graph_pool_handle()  # the old one goes with its last graph
            graph = torch.cuda.CUDAGraph()
            try:
                with self._quiet, torch.cuda.graph(
                    graph, pool=self._pool, stream=_own_stream(), capture_error_mode="thread_local"
                ):  # fmt: skip
                    step()
            except RuntimeError as error:
                if is_memory(error):
                    raise
                self._graphs.clear()
                self._pool = None  # a driver that cannot record: every step by itself, slower and the same
                step()
                return
            self._graphs[key] = graph
        graph.replay()


def _own_stream() -> Any:
    """The stream in use, so that a recorded step keeps its priority; None for the default one, which cannot record."""
    import torch

    stream = torch.cuda.current_stream()
    return None if stream == torch.cuda.default_stream() else stream
