"""The Open Inference Protocol v2 in the worker: a request's body becomes tensors, and these an answer.

Inference: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
Binary tensors: https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md
Parameters that are not named there are ignored, as the specification has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from edge_agent.inference import InferReply
from edge_agent.runtimes.base import Array
from edge_agent.web.oip_tensors import TensorDoor, wrong
from firmware_profiles.manifest import Model

_BINARY = "application/octet-stream"


class _InputParameters(msgspec.Struct, frozen=True):
    binary_data_size: Annotated[int, Meta(ge=0)] | None = None


class _OutputParameters(msgspec.Struct, frozen=True):
    binary_data: bool | None = None


class _RequestParameters(msgspec.Struct, frozen=True):
    binary_data_output: bool = False


class _Input(msgspec.Struct, frozen=True):
    name: str
    shape: Annotated[list[int], Meta(max_length=8)]
    datatype: str
    parameters: _InputParameters = _InputParameters()
    data: msgspec.Raw | UnsetType = UNSET


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    parameters: _OutputParameters = _OutputParameters()


class _Request(msgspec.Struct, frozen=True):
    inputs: Annotated[list[_Input], Meta(max_length=64)]
    id: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    parameters: _RequestParameters = _RequestParameters()
    outputs: Annotated[list[_Wanted], Meta(max_length=64)] = []


class _BinarySize(msgspec.Struct, frozen=True):
    binary_data_size: int


class _Output(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    shape: Sequence[int]
    parameters: _BinarySize | UnsetType = UNSET
    data: list[float] | UnsetType = UNSET


class _Response(msgspec.Struct, frozen=True):
    model_name: str
    model_version: str
    outputs: list[_Output]
    id: str | UnsetType = UNSET


_request = msgspec.json.Decoder(_Request)
_encode = msgspec.json.Encoder().encode


class _Asked(NamedTuple):
    tensors: list[Array]
    outputs: list[tuple[int, bool]]
    id: str | UnsetType


class OipDoor:
    """One model behind the protocol.

    Args:
        run: as of `runtimes.base.Runtime`.
    """

    def __init__(self, model: Model, version: str, run: Callable[[Sequence[Array]], list[Array]]) -> None:
        self._name, self._version, self._run = model.name, version, run
        self._inputs = [TensorDoor(model, tensor) for tensor in model.inputs]
        self._outputs = [TensorDoor(model, tensor) for tensor in model.outputs]
        self._index = {door.name: index for index, door in enumerate(self._outputs)}

    def answer(self, body: bytes, header_bytes: int | None) -> InferReply:
        """Run one request.

        Raises:
            InputError: what is wrong with it.
        """
        asked = self._parsed(body, header_bytes)
        return self._reply(asked, self._run(asked.tensors))

    def _parsed(self, body: bytes, header_bytes: int | None) -> _Asked:
        split = len(body) if header_bytes is None else header_bytes
        if not 0 < split <= len(body):
            found = f"{split} of {len(body)} bytes"
            raise wrong("Inference-Header-Content-Length", "the length of the JSON in the body", found, "correct it")
        try:
            request = _request.decode(memoryview(body)[:split])
        except ValueError as error:  # msgspec's errors are ValueErrors, and so is bad UTF-8
            raise wrong("body", "an inference request", error, "see /v2/models/NAME for names and shapes") from None
        except RecursionError:
            raise wrong("body", "an inference request", "JSON nested too deep", "mend it") from None
        tensors = self._tensors(request.inputs, memoryview(body)[split:])
        return _Asked(tensors, self._asked_outputs(request), request.id)

    def _tensors(self, inputs: Sequence[_Input], binary: memoryview) -> list[Array]:
        """One a model input, in the model's order; the binary ones lie in the request's order."""
        found: dict[str, Array] = {}
        doors = {door.name: door for door in self._inputs}
        for given in inputs:
            door = doors.pop(given.name, None)
            if door is None:
                names = ", ".join(door.name for door in self._inputs)
                raise wrong("inputs", f"each of {names} once", repr(given.name[:80]), "correct the name")
            door.check(given.datatype, given.shape)
            size = given.parameters.binary_data_size
            if (size is None) == (given.data is UNSET):
                raise wrong(f"input {door.name}", "data or binary_data_size", "both or neither", "send one of them")
            if size is None:
                assert not isinstance(given.data, UnsetType)
                found[door.name] = door.from_json(given.data)
            else:
                found[door.name] = door.from_bytes(binary[:size])
                binary = binary[size:]
        if doors:
            raise wrong("inputs", "every input of the model", f"none for {', '.join(doors)}", "add it")
        if binary:
            raise wrong("body", "nothing after the last tensor", f"{len(binary)} bytes", "correct binary_data_size")
        return [found[door.name] for door in self._inputs]

    def _asked_outputs(self, request: _Request) -> list[tuple[int, bool]]:
        """(index, whether binary) of each requested output; of all where none is named."""
        default = request.parameters.binary_data_output
        if not request.outputs:
            return [(index, default) for index in range(len(self._outputs))]
        unknown = [wanted.name[:80] for wanted in request.outputs if wanted.name not in self._index]
        if unknown:
            raise wrong("outputs", f"some of {', '.join(self._index)}", repr(unknown[0]), "correct the name")
        return [
            (self._index[wanted.name], default if (own := wanted.parameters.binary_data) is None else own)
            for wanted in request.outputs
        ]

    def _reply(self, asked: _Asked, results: Sequence[Array]) -> InferReply:
        outputs, binary = [], []
        for index, as_bytes in asked.outputs:
            door = self._outputs[index]
            result = np.ascontiguousarray(results[index], door.dtype)
            if as_bytes:
                size = _BinarySize(result.nbytes)
                outputs.append(_Output(door.name, door.datatype, result.shape, parameters=size))
                binary.append(result.tobytes())
            else:
                outputs.append(_Output(door.name, door.datatype, result.shape, data=door.to_json(result)))
        header = _encode(_Response(self._name, self._version, outputs, asked.id))
        if not binary:
            return InferReply(200, header)
        return InferReply(200, b"".join((header, *binary)), len(header), _BINARY)
