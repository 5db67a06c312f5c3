"""The network to be trained, and its teacher: loaded as every conversion loads them, and shown to take batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from converter.bring.request import Bring
from converter.bring.torch_model import load
from converter.reasons import short
from converter.training.data import Array
from converter.training.protocol import Train
from firmware_profiles.errors import InputError, Problem

_SEVERAL = 3


class Network(NamedTuple):
    """A network in evaluation mode.

    Attributes:
        takes, gives: shapes of its input and its one output, without the batch.
        channels_last: its training data is kept as images [n, height, width, channels], and moved before it.
    """

    module: torch.nn.Module
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    channels_last: bool

    def moved(self, x: Array) -> torch.Tensor:
        """Items as the network takes them."""
        tensor = torch.from_numpy(x)
        return tensor.movedim(-1, 1) if self.channels_last else tensor


def of_request(request: Train) -> Network:
    """What is trained.

    Raises:
        InputError: code, state or shape are not what they must be, or it takes no batches, or gives several outputs.
    """
    bring = Bring(
        module="", source=request.model, target="", shape=request.shape, code=request.code, folder=request.folder
    )
    channels_last = request.layout == "nchw" and len(request.shape) == 4
    return _checked(bring, request.code, "let its code take any batch: x.shape[0] in place of 1", channels_last)


def teacher_of(request: Train, student: Network) -> Network:
    """Whose answers are learned; the network itself, apart from what is trained, where none is named.

    Raises:
        InputError: it cannot be loaded, or does not take and give what the network does.
    """
    if not request.teacher:
        return student
    step = "export it with dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)"
    bring = Bring(module="", source=request.teacher, target="", shape=[1])
    teacher = _checked(bring, request.teacher, step, student.channels_last)
    problems = [
        Problem(f"teacher: {what}", str(ours), str(theirs), "bring a teacher for the same task")
        for what, ours, theirs in (("input", student.takes, teacher.takes), ("output", student.gives, teacher.gives))
        if ours != theirs
    ]
    if problems:
        raise InputError(*problems)
    return teacher


def _checked(bring: Bring, where: str, step: str, channels_last: bool) -> Network:
    network = load(bring)
    if len(network.answers[0]) != 1:
        found = f"{len(network.answers[0])} outputs"
        raise InputError(Problem(where, "one output, to be trained", found, "train it yourself, then convert"))
    takes, answer = network.example.shape[1:], network.answers[0][0]
    for parameter in network.module.parameters():
        parameter.requires_grad_(True)
    found = _without_batches(network.module, torch.randn(_SEVERAL, *takes), answer.shape[1:])
    if found:
        raise InputError(Problem(where, "a network that takes batches, to be trained", found, step))
    return Network(network.module, tuple(takes), tuple(answer.shape[1:]), channels_last)


def _without_batches(module: torch.nn.Module, x: torch.Tensor, gives: Any) -> str:
    """Why it gives no answer to each of several inputs; empty where it does."""
    try:
        with torch.no_grad():
            answer = module(x)
    except Exception as error:  # noqa: BLE001  # the user's own code raises whatever it meets
        return short(error)
    one = (
        answer
        if isinstance(answer, torch.Tensor)
        else next(iter(answer.values() if hasattr(answer, "values") else answer))
    )
    found = tuple(one.shape)
    return "" if found == (len(x), *gives) else f"an answer of {found} to {len(x)} inputs"
