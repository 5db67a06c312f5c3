"""What XNNPACK would leave behind, written so that it takes it: the same bytes come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.passes import whole_delegate
from tests.converter.one_graph import OneGraph

_Operator = schema.BuiltinOperator
KERNELS = (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def operators(content: bytes) -> list[int]:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return [model.operatorCodes[each.opcodeIndex].builtinCode for each in model.subgraphs[0].operators]


def answers(content: bytes, x: Any) -> list[Any]:
    """With XNNPACK, and with LiteRT's own kernels."""
    found = []
    for resolver in KERNELS:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return found


def strided_slice(sizes: list[int], begin: list[int], steps: list[int], begin_mask: int = 0) -> bytes:
    """x[begin::steps] of the whole."""
    graph = OneGraph()
    x = graph.tensor(sizes)
    starts = [0 if begin_mask >> axis & 1 else start for axis, start in enumerate(begin)]
    shape = [len(range(*each)) for each in zip(starts, sizes, steps, strict=True)]
    out, last = graph.tensor(shape), graph.tensor(shape)
    constants = [graph.constant(np.array(each, np.int32)) for each in (begin, sizes, steps)]
    graph.operator(_Operator.STRIDED_SLICE, [x, *constants], [out], schema.StridedSliceOptionsT(beginMask=begin_mask))
    graph.operator(_Operator.RELU, [out], [last])
    return graph.content([x], [last])


axes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
"""Rows, step, first."""


@settings(max_examples=60, deadline=None)
@given(st.lists(axes, min_size=1, max_size=4), st.integers(0, 15))
def test_slices_with_steps_keep_their_bytes(found: list[tuple[int, int, int]], begin_mask: int) -> None:
    sizes = [rows * step for rows, step, _ in found]
    begin = [first % step for _, step, first in found]
    content = strided_slice(sizes, begin, [step for _, step, _ in found], begin_mask % (1 << len(found)))
    x = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    for before, after in zip(answers(content, x), answers(whole_delegate.rewritten(content).content, x), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(("sizes", "steps"), [([1, 8, 6, 3], [1, 2, 1, 1]), ([1, 8, 6, 3], [1, 2, 2, 1])])
def test_xnnpack_takes_what_it_left(sizes: list[int], steps: list[int]) -> None:
    content = whole_delegate.rewritten(strided_slice(sizes, [0, 0, 0, 0], steps)).content
    assert _Operator.STRIDED_SLICE not in operators(content)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    assert [entry["op_name"] for entry in interpreter._get_ops_details()].count("DELEGATE") == 1
    (delegate,) = (entry for entry in interpreter._get_ops_details() if entry["op_name"] == "DELEGATE")
    assert set(delegate["outputs"]) == {interpreter.get_output_details()[0]["index"]}


@pytest.mark.parametrize(
    ("sizes", "begin", "steps"),
    [([1, 7, 6, 3], [0, 0, 0, 0], [1, 2, 1, 1]), ([1, 8, 6, 3], [0, 2, 0, 0], [1, 2, 1, 1]), ([4], [1], [1])],
)
def test_slices_that_do_not_come_out_even_are_left(sizes: list[int], begin: list[int], steps: list[int]) -> None:
    content = strided_slice(sizes, begin, steps)
    assert whole_delegate.rewritten(content).content is content


@pytest.mark.parametrize(
    ("order", "axes", "keep"),
    [([0, 3, 1, 2], [2, 3], False), ([0, 3, 1, 2], [-1, 2], False), ([0, 2, 1, 3], [1, 2], False)],
)
def test_a_mean_needs_no_transpose_before_it(order: list[int], axes: list[int], keep: bool) -> None:
    content, x = transposed_mean(order, axes, keep_dims=keep)
    after = whole_delegate.rewritten(content).content
    assert operators(after) == [_Operator.MEAN]
    for before, now in zip(answers(content, x), answers(after, x), strict=True):
        np.testing.assert_allclose(before, now, rtol=1e-6)  # float sums in another order


@pytest.mark.parametrize(
    ("order", "axes", "keep"), [([0, 3, 1, 2], [2, 3], True), ([0, 3, 1, 2], [2], False), ([1, 0, 2, 3], [2, 3], False)]
)
def test_a_transpose_that_shows_after_the_mean_stays(order: list[int], axes: list[int], keep: bool) -> None:
    content, _ = transposed_mean(order, axes, keep_dims=keep)
    assert whole_delegate.rewritten(content).content is content


def transposed_mean(order: list[int], axes: list[int], *, keep_dims: bool) -> tuple[bytes, Any]:
    graph, sizes = OneGraph(), [2, 4, 5, 3]
    x = np.random.default_rng(0).random(sizes, np.float32)
    mean = x.transpose(order).mean(tuple(axes), keepdims=keep_dims)
    into, moved, out = graph.tensor(sizes), graph.tensor([sizes[each] for each in order]), graph.tensor(mean.shape)
    graph.operator(_Operator.TRANSPOSE, [into, graph.constant(np.array(order, np.int32))], [moved])
    options = schema.ReducerOptionsT(keepDims=keep_dims)
    graph.operator(_Operator.MEAN, [moved, graph.constant(np.array(axes, np.int32))], [out], options)
    return graph.content([into], [out]), x
