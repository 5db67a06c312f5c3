"""The Open Inference Protocol in the worker: every form of a tensor, and whatever is none."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.deployment import unpacked
from edge_agent.inference import InferReply
from edge_agent.pipeline import open_pipeline
from edge_agent.runtimes.base import Array, Opening
from edge_agent.web.oip import OipDoor
from firmware_profiles.errors import InputError
from firmware_profiles.manifest import Tensor
from tests.edge_agent.support import LITERT, model


def echo(dtype: str, shape: list[int], **changes: Any) -> OipDoor:
    """A model that gives what it gets."""
    tensors = {"inputs": [Tensor("a", shape, dtype)], "outputs": [Tensor("b", shape, dtype)]}
    return OipDoor(model(**{"format": "onnx", **tensors, **changes}), "1.0", list)


def body(datatype: str, shape: Sequence[int], data: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": [{"name": "a", "shape": shape, "datatype": datatype, "data": data}], **more}).encode()


def binary(datatype: str, shape: Sequence[int], raw: bytes, **more: Any) -> tuple[bytes, int]:
    described = {"name": "a", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [described], **more}).encode()
    return header + raw, len(header)


DTYPES = st.sampled_from(
    ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
)


@st.composite
def tensors(draw: Callable[..., Any]) -> Array:
    dtype = np.dtype(draw(DTYPES))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    raw = draw(st.binary(min_size=int(np.prod(shape)) * dtype.itemsize, max_size=int(np.prod(shape)) * dtype.itemsize))
    array: Array = np.frombuffer(raw, np.uint8 if dtype.kind == "b" else dtype).reshape(shape)
    return array % 2 == 1 if dtype.kind == "b" else np.where(np.isfinite(array), array, dtype.type(1))


@given(tensors(), st.booleans(), st.booleans())
def test_every_tensor_comes_back_as_it_went_in(array: Array, flat: bool, as_bytes: bool) -> None:
    """JSON flat or nested, or bytes, in; JSON or bytes out."""
    door = echo(str(array.dtype), list(array.shape))
    datatype = door._inputs[0].datatype
    want = {"id": "x", "parameters": {"binary_data_output": as_bytes, "unknown": [1]}}
    values = (array.ravel() if flat else array).tolist()
    for sent, split in (
        (body(datatype, array.shape, values, **want), None),
        binary(datatype, array.shape, array.tobytes(), **want),
    ):
        reply = door.answer(sent, split)
        header = json.loads(reply.body[: reply.header_bytes])
        (output,) = header["outputs"]
        assert (header["id"], header["model_version"], output["datatype"]) == ("x", "1.0", datatype)
        if as_bytes:
            assert output["parameters"] == {"binary_data_size": array.nbytes}
            assert reply.body[reply.header_bytes :] == array.tobytes()
        else:
            assert np.array_equal(np.array(output["data"], array.dtype).reshape(output["shape"]), array)


def test_quantized_tensors_of_tflite_are_exchanged_as_real_values() -> None:
    door = echo("int8", [1, 2], format="tflite")
    reply = json.loads(door.answer(body("FP32", [1, 2], [0.5, -1]), None).body)
    assert reply["outputs"][0] == {"name": "b", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -1.0]}


def test_outputs_are_those_that_are_asked_for() -> None:
    outputs = [Tensor("b", [2], "float32"), Tensor("c", [2], "float32")]
    of = model(format="onnx", inputs=[Tensor("a", [2], "float32")], outputs=outputs)
    door = OipDoor(of, "1.0", lambda given: [given[0], given[0] + 1])
    wanted = [{"name": "c", "parameters": {"binary_data": True, "classification": 3}}, {"name": "b"}]
    reply = door.answer(body("FP32", [2], [1, 2], outputs=wanted), None)
    header = json.loads(reply.body[: reply.header_bytes])
    assert [output["name"] for output in header["outputs"]] == ["c", "b"]
    assert np.frombuffer(reply.body[reply.header_bytes :], "<f4").tolist() == [2, 3]


def test_the_model_s_own_tensors_give_the_model_s_own_answer(bundle: Any) -> None:
    tensor = np.random.default_rng(0).random((1, 6, 6, 1), np.float32)
    with unpacked(bundle) as deployment:
        of = deployment.manifest.models[0]
        pipeline = open_pipeline(deployment, of, LITERT[0], Opening())
        (right,) = pipeline.run([tensor])
        door = OipDoor(of, "1.0", pipeline.run)
    header = {"name": "image", "shape": [1, 6, 6, 1], "datatype": "FP32", "data": tensor.tolist()}
    reply = door.answer(json.dumps({"inputs": [header]}).encode(), None)
    assert json.loads(reply.body)["outputs"][0]["data"] == right.ravel().tolist()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "Inference-Header-Content-Length"),
        (b"[]", "an inference request"),
        (b'{"inputs":[' + b"[" * 100_000, "an inference request"),
        (b"\xff\xfe", "an inference request"),
        (b'{"id":"\xff"}', "an inference request"),
        (b'{"inputs":[{"name":"a","shape":[2],"datatype":"INT32","data":["\xff"]}]}', "request|JSON"),
        (body("FP32", [2], [1, 2]), "datatype"),
        (body("BYTES", [2], ["a", "b"]), "datatype"),
        (body("INT32", [3], [1, 2, 3]), "shape"),
        (body("INT32", [-2], [1, 2]), "shape"),
        (body("INT32", [2], [1]), "2 values"),
        (body("INT32", [2], [1, 2.5]), "ints"),
        (body("INT32", [2], [1, "2"]), "ints"),
        (body("INT32", [2], [1, True]), "ints"),
        (body("INT32", [2], [[1], [2]]), "ints"),
        (body("INT32", [2], [1, 1 << 40]), "INT32 holds"),
        (body("INT32", [2], None), "nested"),
        (body("INT32", [2], [1, 2], outputs=[{"name": "z"}]), "outputs"),
        (b'{"inputs":[{"name":"a","shape":[2],"datatype":"INT32","data":' + b"[" * 100_000 + b"]}]}", "request"),
        (json.dumps({"inputs": []}).encode(), "every input"),
        (json.dumps({"inputs": [{"name": "z", "shape": [2], "datatype": "INT32", "data": [1, 2]}]}).encode(), "name"),
        (json.dumps({"inputs": [{"name": "a", "shape": [2], "datatype": "INT32"}]}).encode(), "one of them"),
        (body("INT32", [2], [1, 2]) + b"more", "request"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(sent: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        echo("int32", [2]).answer(sent, None)


@pytest.mark.parametrize("raw", [b"", b"1234567", b"123456789"])
def test_binary_data_has_the_length_of_its_tensor(raw: bytes) -> None:
    with pytest.raises(InputError, match="8 bytes"):
        echo("int32", [2]).answer(*binary("INT32", [2], raw))
    sent, split = binary("INT32", [2], b"12345678")
    for wrong, at in ((sent + b"x", split), (sent[:-1], split), (sent, split + 1), (sent, split - 1), (sent, 10**9)):
        with pytest.raises(InputError):
            echo("int32", [2]).answer(wrong, at)


def test_any_byte_but_0_is_true() -> None:
    asked = {"parameters": {"binary_data_output": True}}
    reply = echo("bool", [3]).answer(*binary("BOOL", [3], b"\x00\x01\x02", **asked))
    assert reply.body.endswith(b"\x00\x01\x01")


def test_json_has_no_word_for_a_nan() -> None:
    raw = np.array([np.nan, np.inf], "<f4").tobytes()
    with pytest.raises(InputError, match="binary_data"):
        echo("float32", [2]).answer(*binary("FP32", [2], raw))
    asked = {"parameters": {"binary_data_output": True}}
    assert echo("float32", [2]).answer(*binary("FP32", [2], raw, **asked)).body.endswith(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "shape", "datatype", "data", "parameters", "inputs"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {"name": st.just("a") | JSON, "shape": st.just([2]) | JSON, "datatype": st.just("FP32") | JSON}
    )
    | JSON,
    JSON,
    st.binary(max_size=16),
    st.none() | st.integers(-1, 200),
)
def test_whatever_is_sent_is_answered_or_refused(first: Any, data: Any, tail: bytes, split: int | None) -> None:
    if isinstance(first, dict):
        first = {**first, "data": data}
    sent = msgspec.json.encode({"inputs": [first]}) + tail
    with contextlib.suppress(InputError):
        assert isinstance(echo("float32", [2]).answer(sent, split), InferReply)
