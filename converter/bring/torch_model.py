"""A PyTorch network as it is given: an exported program, or code with a state dict."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from converter.bring import agreement
from converter.bring.agreement import Array
from converter.bring.request import Bring
from converter.formats.base import damaged
from converter.reasons import short
from firmware_profiles.errors import InputError, Problem

_SHOWN = 3


class Network(NamedTuple):
    """A network that answers, in evaluation mode, with an input that it takes.

    Attributes:
        trials, answers: inputs, and its outputs for them: [trial] and [trial][output].
    """

    module: torch.nn.Module
    example: torch.Tensor
    trials: list[Array]
    answers: list[list[Array]]


def load(request: Bring) -> Network:
    """
    Raises:
        InputError: the code, the state dict or the input's shape is not what it must be.
    """
    if request.code:
        module, shape = _from_code(request), request.shape
    else:
        module, shape = _from_program(Path(request.source))
    trials = agreement.inputs(shape)
    try:
        with torch.no_grad():
            answers = [[each.numpy() for each in _flat(module(torch.from_numpy(x)))] for x in trials]
    except Exception as error:  # noqa: BLE001  # the user's own code raises whatever it meets
        where, expected = request.code or request.source, f"a network that takes an input of {shape}"
        raise InputError(Problem(where, expected, short(error), "correct model.input_shape or the code")) from None
    return Network(module, torch.from_numpy(trials[0]), trials, answers)


def _from_program(path: Path) -> tuple[torch.nn.Module, list[int]]:
    try:
        program = torch.export.load(path)
        (example,) = program.example_inputs[0]
        return program.module(), [1, *example.shape[1:]]
    except Exception as error:  # noqa: BLE001  # torch raises whatever it meets
        raise damaged(path, "exported program (.pt2) with one example input", error) from None


def _from_code(request: Bring) -> torch.nn.Module:
    module = _built(request.code, request.folder)
    state = _state(Path(request.source))
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        found = "; ".join(line[:120] for line in lines[:_SHOWN]) or short(error)
        expected = f"the state of {request.code}"
        raise InputError(Problem(request.source, expected, found, "give the state dict of this network")) from None
    return module.eval()


def _built(code: str, folder: str) -> torch.nn.Module:
    """What the user's function returns."""
    name, _, function = code.partition(":")
    sys.path.insert(0, folder)
    try:
        module = getattr(importlib.import_module(name), function)()
    except Exception as error:  # noqa: BLE001  # the user's own code raises whatever it meets
        step = f"it lies beside the project file, in {name.replace('.', '/')}.py"
        raise InputError(Problem(code, "a function that builds the network", short(error), step)) from None
    if not isinstance(module, torch.nn.Module):
        step = "return the network"
        raise InputError(Problem(code, "a function that returns a torch.nn.Module", type(module).__name__, step))
    return module


def _state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors by name; a checkpoint's own are taken out of it, without the prefix of DataParallel."""
    step = "save the network with torch.save(network.state_dict(), FILE)"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        found = "a pickle that would run code" if "Weights only load failed" in str(error) else short(error)
        raise InputError(Problem(str(path), "a PyTorch state dict", found, step)) from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state or not all(isinstance(each, torch.Tensor) for each in state.values()):
        raise InputError(Problem(str(path), "tensors by name", type(state).__name__, step))
    odd = [name for name, tensor in state.items() if tensor.is_floating_point() and tensor.isnan().any()]
    if odd:
        shown = ", ".join(odd[:_SHOWN])
        raise InputError(Problem(str(path), "weights that are numbers", f"NaN in {shown}", "train it again"))
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _flat(outputs: Any) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return list(outputs.values() if isinstance(outputs, dict) else outputs)
