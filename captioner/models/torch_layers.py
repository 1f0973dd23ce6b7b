"""Layers of torch with the weights of an ONNX file, taken in the order in which the file has them.

A network is written out by hand over these, not run from its graph: a batch then holds sounds of many lengths, of which
each is heard as if it were alone. Torch is imported when a network is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from captioner.errors import BackendMissing, ModelError
from captioner.models.fitting import memory_watched
from captioner.models.onnxfile import Array, Graph, Node

GPU_COMMAND = 'pip install "captioner[gpu]"'


def on_gpu() -> bool:
    """Whether torch is installed, which computes there. Nothing is imported for this."""
    return find_spec("torch") is not None


def device_of(name: str) -> Any:
    """`cpu`, `cuda`, `cuda:1` as torch's device. Raises BackendMissing without torch, ModelError where it cannot
    compute there."""
    try:
        import torch
    except ImportError as error:
        raise BackendMissing(f"{error}; {GPU_COMMAND}") from error
    if name != "cpu" and not torch.cuda.is_available():
        raise ModelError(f"torch {torch.__version__} finds no GPU; {GPU_COMMAND}")
    try:
        torch.zeros(1, device=name)
    except RuntimeError as error:  # no such GPU, or one that this torch has no code for
        raise ModelError(f"torch {torch.__version__} cannot compute on {name}: {error}") from error
    return torch.device(name)


def put(tensor: Any, device: Any) -> Any:
    """On the device, without waiting for what it has in hand: a copy from ordinary memory would."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@contextmanager
def arithmetic(*, loose: bool) -> Iterator[None]:
    """Convolutions in TensorFloat-32, with half of the mantissa, where that is good enough; products never. Left as it
    was found: others share the process. It holds for all threads."""
    import torch

    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32, products.allow_tf32 = loose, False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


@contextmanager
def computing(what: str) -> Iterator[None]:
    """For whatever is computed: no gradients, as exactly as on a processor. Raises OutOfMemory, ModelError."""
    import torch

    try:
        with arithmetic(loose=False), memory_watched(what), torch.inference_mode():
            yield
    except RuntimeError as error:
        raise ModelError(f"{what} failed: {str(error).strip().splitlines()[0][:300]}") from error


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution over time, or over frequency and time."""

    weight: Any
    bias: Any
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    edges: tuple[int, ...] = ()
    """What is put around its input first, as `torch.nn.functional.pad` takes it, where edges differ."""

    def __call__(self, given: Any) -> Any:
        import torch

        if self.weight.dim() == 3 and self.weight.shape[2] == 1:
            # A product: for a convolution cuDNN would choose its way anew at each new length.
            made = self.weight[:, :, 0] @ given
            return made if self.bias is None else made + self.bias[:, None]
        if self.edges:
            given = torch.nn.functional.pad(given, self.edges)
        call = torch.nn.functional.conv1d if self.weight.dim() == 3 else torch.nn.functional.conv2d
        return call(given, self.weight, self.bias, self.stride, self.padding, self.dilation)


@dataclass(frozen=True, slots=True)
class Norm:
    """A batch normalisation: one factor and one shift a channel."""

    factor: Any
    shift: Any

    def __call__(self, given: Any) -> Any:
        return given * self.factor + self.shift


class Layers:
    """The layers of a graph, each kind in its order. Raises ModelError where there is not what is asked for: then the
    file is another network's."""

    def __init__(self, graph: Graph, name: str, device: Any) -> None:
        self.graph, self._name, self._device = graph, name, device
        self._nodes: dict[str, Iterator[Node]] = {}

    def conv(self, *shape: int) -> Conv:
        """The next convolution; its weight has this shape: channels out, channels in, and the kernel's sides."""
        node = self.node("Conv")
        weight = self.value(node.inputs[1], shape)
        bias = self.value(node.inputs[2], shape[:1]) if len(node.inputs) > 2 else None
        sides = len(shape) - 2
        pads = node.attributes.get("pads", (0,) * 2 * sides)
        before, after = pads[:sides], pads[sides:]
        if node.attributes.get("group", 1) != 1:
            raise self._other("a convolution in groups")
        uneven = zip(before[::-1], after[::-1], strict=True) if before != after else ()
        edges = tuple(pad for side in uneven for pad in side)
        return Conv(
            self.tensor(weight), None if bias is None else self.tensor(bias),
            node.attributes["strides"], (0,) * sides if edges else before, node.attributes["dilations"], edges,
        )  # fmt: skip

    def norm(self, channels: int, sides: int = 1) -> Norm:
        """The next batch normalisation, for channels with `sides` dimensions behind them."""
        node = self.node("BatchNormalization")
        weight, bias, mean, variance = (self.value(name, (channels,)).astype(np.float64) for name in node.inputs[1:])
        factor = weight / np.sqrt(variance + node.attributes["epsilon"])
        shape = (channels,) + (1,) * sides
        return Norm(
            self.tensor(factor.astype(np.float32).reshape(shape)),
            self.tensor((bias - mean * factor).astype(np.float32).reshape(shape)),
        )

    def lstm(self, before: int, units: int, deep: int = 1, *, both_ways: bool = False) -> Any:
        """The next LSTMs of the graph, one over the other, as torch has them, cuDNN's on a GPU: (n, time, `before`) in,
        (n, time, `units`, or twice that) out."""
        import torch

        made = torch.nn.LSTM(before, units, deep, batch_first=True, bidirectional=both_ways)
        ways = 2 if both_ways else 1
        state = {}
        for place in range(deep):
            node, wide = self.node("LSTM"), ways * units if place else before
            shapes = ((ways, 4 * units, wide), (ways, 4 * units, units), (ways, 8 * units))
            given, back, biases = (
                self.value(name, shape) for name, shape in zip(node.inputs[1:4], shapes, strict=True)
            )
            for side, suffix in enumerate(("", "_reverse")[:ways]):
                of_given, of_back = biases[side, : 4 * units], biases[side, 4 * units :]
                for name, value in (
                    ("weight_ih", given[side]), ("weight_hh", back[side]), ("bias_ih", of_given), ("bias_hh", of_back)
                ):  # fmt: skip
                    state[f"{name}_l{place}{suffix}"] = torch.from_numpy(_gates(np.asarray(value, np.float32)))
        made.load_state_dict(state)
        made = made.to(self._device).eval()
        made.flatten_parameters()
        return made

    def node(self, operator: str) -> Node:
        """The next node of a kind."""
        if operator not in self._nodes:
            self._nodes[operator] = iter(self.graph.of(operator))
        found = next(self._nodes[operator], None)
        if found is None:
            raise self._other(f"too few of {operator}")
        return found

    def value(self, name: str, shape: Sequence[int] | None = None) -> Array:
        """A weight or a constant by its name."""
        found = self.graph.known.get(name)
        if found is None or (shape is not None and found.shape != tuple(shape)):
            raise self._other(f"{name} is {None if found is None else found.shape}, not {shape}")
        return found

    def end(self) -> None:
        """Raises ModelError where there are layers left."""
        for operator in ("Conv", "BatchNormalization"):
            left = self._nodes.get(operator, iter(self.graph.of(operator)))
            if next(left, None) is not None:
                raise self._other(f"more of {operator}")

    def tensor(self, value: Array) -> Any:
        """On the device; what is of half precision in the file is single here."""
        import torch

        kept = np.array(value, np.float32 if value.dtype == np.float16 else value.dtype.newbyteorder("="))
        return torch.from_numpy(kept).to(self._device)

    def _other(self, what: str) -> ModelError:
        return ModelError(f"{self._name} is another network than the one that is known here ({what})")


def _gates(value: Array) -> Array:
    """From ONNX's order of gates (input, output, forget, cell) to torch's (input, forget, cell, output)."""
    given, out, forget, cell = np.split(value, 4)
    return np.concatenate([given, forget, cell, out])
