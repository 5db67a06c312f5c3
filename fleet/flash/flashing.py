"""Several targets at once: each is planned, and then acted on, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from firmware_profiles.errors import GodwitError
from firmware_profiles.installation import Installed
from fleet.flash.plan import Planned
from fleet.flash.sources import Source
from fleet.flash.target import Target

_AT_ONCE = 8

T = TypeVar("T")

Say = Callable[[str, str], None]
"""Called with (target, what goes on there)."""


def plan_each(targets: list[Target], source: Source) -> Iterator[tuple[Target, Planned | GodwitError]]:
    """The plan of each target, or why there is none, as they come."""
    yield from _each(targets, lambda target: target.plan(source))


def act_each(
    planned: list[tuple[Target, Planned]], source: Source, say: Say
) -> Iterator[tuple[Target, Installed | GodwitError]]:
    """The outcome of each target, as they come; one that fails does not hold up another."""
    plans = {id(target): plan for target, plan in planned}

    def act(target: Target) -> Installed:
        return target.act(plans[id(target)], source, lambda text: say(target.name, text))

    yield from _each([target for target, _ in planned], act)


@contextmanager
def opened(targets: list[Target]) -> Iterator[tuple[list[Target], list[GodwitError]]]:
    """Those targets that could be had, and why the others could not; all are let go at the end."""
    try:
        outcomes = list(_each(targets, lambda target: target.open()))
        failed = [outcome for _, outcome in outcomes if isinstance(outcome, GodwitError)]
        refused = {id(target) for target, outcome in outcomes if isinstance(outcome, GodwitError)}
        yield [target for target in targets if id(target) not in refused], failed
    finally:
        for target in targets:
            target.close()


def _each(targets: list[Target], do: Callable[[Target], T]) -> Iterator[tuple[Target, T | GodwitError]]:
    if not targets:
        return
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flash") as threads:
        running: dict[Future[T], Target] = {threads.submit(do, target): target for target in targets}
        try:
            for future in as_completed(running):
                error = future.exception()
                yield running[future], error if isinstance(error, GodwitError) else future.result()
        except BaseException:  # Ctrl-C: a target that is let go fails in its thread, which ends so
            threads.shutdown(wait=False, cancel_futures=True)
            for target in targets:
                target.close()
            raise
