"""Structured pruning of a PyTorch network by Torch-Pruning (DepGraph, Fang et al. 2023, arXiv 2301.12900).

Filters are removed for good, with all that depends on them through additions, concatenations, depthwise layers,
batch normalizations and flattening. What is left is the user's network with smaller layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
import torch_pruning
from torch import nn

from converter.passes import sensitivity
from converter.pytorch.weights import MULTIPLYING
from converter.reasons import short
from firmware_profiles.errors import InputError, Problem

Criterion = Literal["l1", "l2", "norm", "taylor"]
_SCORES = {
    "l1": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=1),
    "l2": lambda: torch_pruning.importance.GroupMagnitudeImportance(p=2),
    "norm": torch_pruning.importance.BNScaleImportance,
    "taylor": torch_pruning.importance.GroupTaylorImportance,
}
_EVEN = 8
"""Kept channels are rounded to a multiple: kernels compute so many at once, and one more costs as much as all."""


class _Going(NamedTuple):
    """Channels of one group that go: places among the outputs of the layer that makes them."""

    layer: nn.Module
    remove: Any
    places: list[int]
    said: str


def thinned(
    network: nn.Module,
    example: torch.Tensor,
    ratios: float | Mapping[str, float],
    criterion: Criterion,
    *,
    inside: bool = False,
) -> list[str]:
    """Remove that part, 0 to 1, of each group's channels, in place; what was done, for people.

    Args:
        example: an input that the network takes.
        ratios: of all groups, or by the name of the first layer that makes them.
        criterion: for taylor the weights have the gradients of a loss.
        inside: only channels that one layer alone makes.

    Raises:
        InputError: a ratio leaves a layer empty, nothing can be removed, or the code cannot do without.
    """
    try:
        # The clone gives the answer an operator of its own, by which the layers that make it are known.
        graph = torch_pruning.DependencyGraph().build_dependency(network, example, output_transform=torch.clone)
        going, said = _chosen(graph, network, ratios, criterion, inside)
        for each in going:
            graph.get_pruning_group(each.layer, each.remove, each.places).prune()
        with torch.no_grad():
            network(example)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  # Torch-Pruning and the user's own code raise whatever they meet
        step = "write sizes in the code as those of its layers, or leave channels out of the recipe"
        raise InputError(Problem("channels", "code that works with fewer channels", short(error), step)) from None
    return [*(each.said for each in going), *said]


def by_sensitivity(
    fresh: Callable[[], nn.Module],
    example: torch.Tensor,
    percent: float,
    criterion: Criterion,
    judged: Callable[[nn.Module], float],
) -> dict[str, float]:
    """A ratio for each group; see `sensitivity`.

    Args:
        fresh: gives the network anew, with gradients where the criterion wants them.
        judged: the loss of a network on a part of the training data.

    Raises:
        InputError: as of `thinned`.
    """
    whole = fresh()
    graph = torch_pruning.DependencyGraph().build_dependency(whole, example, output_transform=torch.clone)
    names = {module: name for name, module in whole.named_modules()}
    hurt = {}
    for group in _groups(graph, whole):
        if not _reaches_the_end(group) and not _is_padded(graph, group):
            name, smaller = names[_makers(group)[0]], fresh()
            thinned(smaller, example, {name: percent / 100}, criterion)
            hurt[name] = judged(smaller)
    return sensitivity.ratios(hurt, percent)


def _chosen(
    graph: Any, network: nn.Module, ratios: float | Mapping[str, float], criterion: Criterion, inside: bool
) -> tuple[list[_Going], list[str]]:
    """What goes, and what is said of groups that stay. Raises InputError."""
    names = {module: name for name, module in network.named_modules()}
    going, problems, said = [], [], []
    for group in _groups(graph, network):
        makers = _makers(group)
        made_by, size = ", ".join(names[each] for each in makers), len(group[0].idxs)
        ratio = ratios if isinstance(ratios, float) else ratios.get(names[makers[0]], 0.0)
        if _reaches_the_end(group) or (inside and len(makers) > 1) or not ratio:
            continue
        if _is_padded(graph, group):
            said.append(f"{made_by}: whole, since zeros are padded beside its channels")
            continue
        left = _left(size, ratio)
        if left < 1:
            found = f"{ratio:.0%} of {size} removed"
            problems.append(Problem(f"channels: {made_by}", "at least one channel left", found, "remove less"))
            continue
        root, places = group[0].dep, _scores(group, criterion).argsort(stable=True)[: size - left].tolist()
        going.append(_Going(root.target.module, root.handler, places, f"{made_by}: {left} of {size} channels"))
    if not going and not problems:
        step = "leave channels out of the recipe"
        problems.append(Problem("channels", "layers that can lose channels", "none in this network", step))
    if problems:
        raise InputError(*problems)
    return going, said


def _scores(group: Any, criterion: Criterion) -> Any:
    """Of each channel of a group; by the size of weights where there is nothing that the criterion looks at."""
    scores = _SCORES[criterion]()(group)
    return _SCORES["l2"]()(group) if scores is None else scores


def _groups(graph: Any, network: nn.Module) -> Iterator[Any]:
    """What goes together with the channels of each layer that makes some, whole; each group once.

    Torch-Pruning's own list begins at depthwise layers too, and then takes what a concatenation joins for one group.
    """
    seen: set[nn.Module] = set()
    for layer in network.modules():
        if _makes(layer) and layer not in seen and layer in graph.module2node:
            prune = graph.get_pruner_of_module(layer).prune_out_channels
            group = graph.get_pruning_group(layer, prune, list(range(layer.weight.shape[0])))
            seen.update(_makers(group))
            yield group


def _makers(group: Any) -> list[nn.Module]:
    """The layers whose filters the group's channels are."""
    makers = (dep.target.module for dep, _ in group if "out" in dep.handler.__name__)
    return [layer for layer in dict.fromkeys(makers) if _makes(layer)]


def _makes(layer: Any) -> bool:
    """A depthwise layer hands channels on."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return not layer.groups == layer.in_channels == layer.out_channels > 1
    return isinstance(layer, nn.Linear)


def _reaches_the_end(group: Any) -> bool:
    """Whether its channels are the network's answer."""
    makers = (dep for dep, _ in group if "out" in dep.handler.__name__)
    return any(type(user.module).__name__ == "_OutputOp" for dep in makers for user in dep.target.outputs)


def _is_padded(graph: Any, group: Any) -> bool:
    """Whether the code pads zeros beside its channels, which Torch-Pruning takes for channels at the same places.

    A padding of height and width does not count: then the group holds all channels of each of its layers.
    """
    kinds = {str(getattr(node.module, "_grad_fn", "")) for dep, _ in group for node in (dep.source, dep.target)}
    if not any("ConstantPad" in kind for kind in kinds):
        return False
    layers = [(dep, places) for dep, places in group if isinstance(dep.target.module, MULTIPLYING)]
    return any(len(places) != _channels(graph, dep) for dep, places in layers)


def _channels(graph: Any, dep: Any) -> int:
    out = "out" in dep.handler.__name__
    return int(graph.get_out_channels(dep.target) if out else graph.get_in_channels(dep.target))


def _left(size: int, ratio: float) -> int:
    exact = size * (1 - ratio)
    even = round(exact / _EVEN) * _EVEN
    return even if even and size > _EVEN else round(exact)
