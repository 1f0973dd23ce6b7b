"""ONNX files are read as their own package reads them; whatever else is given is refused in one way."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from captioner.models.onnxfile import read

SHIPPED = ("campplus-zh-en-192.onnx", "dnsmos-p835.onnx", "segmentation-3.0.onnx")


def shipped(name: str) -> bytes:
    package, file = ("captioner.models.weights", name) if name in SHIPPED else ("swift_f0", name)
    return (files(package) / file).read_bytes()


@pytest.mark.parametrize("name", [*SHIPPED, "model.onnx"])
def test_networks_are_read_as_by_onnx_itself(name: str) -> None:
    data = shipped(name)
    found, truth = read(data), onnx.load_from_string(data).graph
    for tensor in truth.initializer:
        wanted = numpy_helper.to_array(tensor)
        assert found.known[tensor.name].dtype == wanted.dtype
        np.testing.assert_array_equal(found.known[tensor.name], wanted)
    for node, wanted in zip(found.nodes, truth.node, strict=True):
        assert (node.operator, node.inputs, node.outputs) == (
            wanted.op_type,
            tuple(wanted.input),
            tuple(wanted.output),
        )
        for given_ in wanted.attribute:
            value = helper.get_attribute_value(given_)
            if given_.type == onnx.AttributeProto.TENSOR:
                np.testing.assert_array_equal(node.attributes[given_.name], numpy_helper.to_array(value))
            elif given_.type == onnx.AttributeProto.GRAPH:
                assert node.attributes[given_.name] is None, "it is not read"
            else:
                assert node.attributes[given_.name] == (tuple(value) if isinstance(value, list) else value)


def packed(raw: bool) -> bytes:
    """Every kind of number, as bytes or as fields of the message, and constants cast to another kind."""
    kinds = {"half": np.float16, "single": np.float32, "double": np.float64, "int": np.int32, "long": np.int64}
    values = np.array([[1, -2, 3], [0, 5, -6]])
    weights = []
    for name, kind in kinds.items():
        array = values.astype(kind)
        wanted = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        weights.append(
            numpy_helper.from_array(array, name)
            if raw
            else helper.make_tensor(name, wanted, values.shape, array.ravel().tolist())
        )
    nodes = [
        helper.make_node("Constant", [], ["made"], value=numpy_helper.from_array(values.astype(np.float16))),
        helper.make_node("Cast", ["made"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Odd", ["wide"], ["out"], f=0.5, i=-3, s="word", fs=[1.5, -2.0], js=[-1, 1 << 40]),
    ]
    out = helper.make_tensor_value_info("out", TensorProto.DOUBLE, [2, 3])
    model: bytes = helper.make_model(helper.make_graph(nodes, "g", [], [out], weights)).SerializeToString()
    return model


@pytest.mark.parametrize("raw", [True, False])
def test_every_kind_of_number_is_read(raw: bool) -> None:
    graph = read(packed(raw))
    for name, kind in (("half", "f2"), ("single", "f4"), ("double", "f8"), ("int", "i4"), ("long", "i8")):
        assert graph.known[name].dtype == kind
        np.testing.assert_array_equal(graph.known[name], [[1, -2, 3], [0, 5, -6]])
    assert graph.known["wide"].dtype == np.float64
    assert graph.known["wide"].tolist() == [[1, -2, 3], [0, 5, -6]]
    (odd,) = graph.of("Odd")
    assert odd.attributes == {"f": 0.5, "i": -3, "s": b"word", "fs": (1.5, -2.0), "js": (-1, 1 << 40)}


def test_a_graph_within_a_graph_is_left_unread() -> None:
    graph = read(shipped("segmentation-3.0.onnx"))
    (choice,) = graph.of("If")
    assert choice.attributes == {"then_branch": None, "else_branch": None}
    assert [graph.known[node.inputs[1]].shape for node in graph.of("Conv")] == [(60, 80, 5), (60, 60, 5)]


@given(st.binary(max_size=200))
def test_what_is_no_onnx_file_is_refused(data: bytes) -> None:
    try:
        read(data)
    except ValueError:
        return


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(packed(data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except ValueError:
        return


def test_a_file_that_is_cut_short_is_refused() -> None:
    data = packed(raw=True)
    with pytest.raises(ValueError, match="cut short"):
        read(data[: len(data) // 2])
    with pytest.raises(ValueError, match="no graph"):
        read(b"")
