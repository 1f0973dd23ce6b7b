"""An ONNX graph run by torch, on any device and in any precision: for the operators that CAM++ has."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def module(path: str) -> Any:
    """An ONNX graph as a torch module, for the operators that CAM++ has. Shapes are worked out on the CPU."""
    import onnx
    import torch
    from onnx import numpy_helper

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            model = onnx.load(path)
            self.nodes = [(node, _attributes(node)) for node in model.graph.node]
            self.input = model.graph.input[0].name
            self.output = model.graph.output[0].name
            for place, tensor in enumerate(model.graph.initializer):
                self.register_buffer(f"w{place}", torch.from_numpy(np.array(numpy_helper.to_array(tensor))))
            self.places = {tensor.name: f"w{place}" for place, tensor in enumerate(model.graph.initializer)}

        def forward(self, given: Any) -> Any:
            known = {name: getattr(self, place) for name, place in self.places.items()}
            known[self.input] = given
            for node, attributes in self.nodes:
                inputs = [known[name] if name else None for name in node.input]
                known[node.output[0]] = _OPERATORS[node.op_type](inputs, attributes)
            return known[self.output]

    return Module()


def _attributes(node: Any) -> dict[str, Any]:
    import onnx
    import torch
    from onnx import numpy_helper

    found = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    if "value" in found:
        found["value"] = torch.from_numpy(np.array(numpy_helper.to_array(found["value"])))
    return found


def _conv(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    import torch

    x, weight, *bias = inputs
    half = len(given["pads"]) // 2
    assert given["pads"][:half] == given["pads"][half:]
    call = torch.conv1d if weight.dim() == 3 else torch.conv2d
    return call(
        x, weight.float(), bias[0].float() if bias else None, given["strides"], given["pads"][:half],
        given["dilations"], given["group"],
    )  # fmt: skip


def _cast(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    import onnx
    import torch

    return inputs[0].to(getattr(torch, onnx.helper.tensor_dtype_to_np_dtype(given["to"]).name))


def _slice(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
    x, starts, ends, *rest = inputs
    axes = rest[0].tolist() if rest else range(len(starts))
    steps = rest[1].tolist() if len(rest) > 1 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, min(end, x.shape[axis]) if end > 0 else end, step)
        x = x[tuple(index)]
    return x


def _reshape(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
    x, shape = inputs
    return x.reshape([x.shape[place] if size == 0 else size for place, size in enumerate(shape.tolist())])


def _pool(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    import torch

    assert not any(given["pads"])
    ceil = bool(given.get("ceil_mode", 0))
    return torch.nn.functional.avg_pool1d(inputs[0], given["kernel_shape"], given["strides"], 0, ceil)


def _mean(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    axes = given["axes"] if "axes" in given else inputs[1].tolist()
    return inputs[0].mean(dim=list(axes), keepdim=bool(given.get("keepdims", 1)))


def _unsqueeze(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    x = inputs[0]
    for axis in sorted(given["axes"] if "axes" in given else inputs[1].reshape(-1).tolist()):
        x = x.unsqueeze(axis)
    return x


def _norm(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    import torch

    x = inputs[0]
    weight, bias, mean, variance = (part.float().to(x.device) for part in inputs[1:])
    return torch.nn.functional.batch_norm(x, mean, variance, weight, bias, eps=given.get("epsilon", 1e-5))


def _gather(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    x, index = inputs
    axis = given.get("axis", 0)
    picked = x.index_select(axis, (index.reshape(-1) % x.shape[axis]).to(x.device))
    return picked.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _shape_of(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
    import torch

    return torch.tensor(inputs[0].shape)


def _filled(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    return given["value"].expand(inputs[0].tolist())


def _where(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
    import torch

    return torch.where(*inputs)


def _cat(inputs: Sequence[Any], given: dict[str, Any]) -> Any:
    import torch

    return torch.cat(list(inputs), dim=given["axis"])


def _expand(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
    import torch

    return inputs[0].expand(torch.broadcast_shapes(inputs[0].shape, tuple(inputs[1].tolist())))


def _two(call: Callable[[Any, Any], Any]) -> Callable[[Sequence[Any], dict[str, Any]], Any]:
    """An operator of two tensors. One that was worked out on the CPU goes to where the other is."""

    def run(inputs: Sequence[Any], _: dict[str, Any]) -> Any:
        one, two = inputs
        if one.device != two.device:
            one, two = (one.to(two.device), two) if one.device.type == "cpu" else (one, two.to(one.device))
        return call(one, two)

    return run


_OPERATORS: dict[str, Any] = {
    "Constant": lambda _, a: a["value"],
    "Unsqueeze": _unsqueeze, "Shape": _shape_of, "Cast": _cast, "Conv": _conv, "Gather": _gather, "Concat": _cat,
    "Reshape": _reshape, "BatchNormalization": _norm, "ReduceMean": _mean, "AveragePool": _pool,
    "ConstantOfShape": _filled, "Where": _where, "Expand": _expand, "Slice": _slice,
    "Relu": lambda x, _: x[0].relu(), "Mul": _two(operator.mul), "Add": _two(operator.add),
    "Sub": _two(operator.sub), "Div": _two(operator.truediv), "Sqrt": lambda x, _: x[0].sqrt(),
    "Sigmoid": lambda x, _: x[0].sigmoid(), "Equal": lambda x, _: x[0] == x[1],
    "Transpose": lambda x, a: x[0].permute(*a["perm"]),
    "ReduceProd": lambda x, a: x[0].prod().reshape([1] if a.get("keepdims", 1) else []),
    "Squeeze": lambda x, a: x[0].squeeze(a["axes"][0] if "axes" in a else int(x[1][0])),
}  # fmt: skip
