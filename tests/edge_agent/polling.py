"""What the worker does with a source, for the tests of one source."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from edge_agent.flow.opening import open_source
from edge_agent.flow.source import Item, Source
from edge_agent.source_config import SourceSettings
from firmware_profiles.errors import InputError
from tests.edge_agent.support import TIMEOUT_S


@contextmanager
def opened(settings: SourceSettings, reached: int = -1, stdin: int = -1) -> Iterator[Source]:
    """The source, closed at the end of the block."""
    with closing(open_source(settings, reached, [], stdin)) as source:
        yield source


def next_item(source: Source) -> Item:
    """Poll as the worker does until there is an item; Ended and InputError pass through."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        item = source.poll()
        if item is not None:
            return item
        descriptor = source.fileno()
        select.select([] if descriptor is None else [descriptor], [], [], 0.05 if descriptor is None else 1)
    raise AssertionError(f"no item within {TIMEOUT_S:g} s")


def contents(source: Source, count: int) -> list[Any]:
    """The next items' contents, as lists."""
    found = [next_item(source).content for _ in range(count)]
    return [content if isinstance(content, InputError) else content.tolist() for content in found]


def failure(source: Source) -> str:
    """What the source tells when it fails, whatever it gives before."""
    try:
        while True:
            next_item(source)
    except InputError as error:
        return str(error)
