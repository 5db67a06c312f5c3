"""What links between models may be: told by whoever joins them, and by whoever is to run them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from firmware_profiles.errors import Problem, did_you_mean
from firmware_profiles.manifest import Link, Model


def problems(models: Mapping[str, Model], links: Sequence[Link], where: str) -> Iterator[Problem]:
    """Everything about `links` that cannot be among `models`."""
    for link in links:
        place = f"{where} {link.producer}:{link.consumer}"
        unknown = [name for name in (link.producer, link.consumer) if name not in models]
        for name in unknown:
            yield Problem(place, "a model of the deployment", repr(name), did_you_mean(name, models))
        if unknown or link.what != "crops":
            continue
        if models[link.producer].task != "detection":
            step = "crops come of detections; or link :output"
            yield Problem(place, f"a detection in {link.producer}", models[link.producer].task, step)
        if models[link.consumer].pre.kind != "image":
            found = models[link.consumer].pre.kind
            yield Problem(place, f"images as the input of {link.consumer}", found, "crops are images")
    if circle := _circle(links):
        yield Problem(where, "links without a circle", " → ".join(circle), "leave one of them out")


def _circle(links: Sequence[Link]) -> list[str]:
    """Models that feed each other in a circle; empty where none do."""
    feeds: dict[str, set[str]] = {}
    for link in links:
        feeds.setdefault(link.producer, set()).add(link.consumer)

    def search(path: list[str]) -> list[str]:
        for consumer in sorted(feeds.get(path[-1], ())):
            if consumer in path:
                return [*path[path.index(consumer) :], consumer]
            if found := search([*path, consumer]):
                return found
        return []

    return next((found for producer in sorted(feeds) if (found := search([producer]))), [])
