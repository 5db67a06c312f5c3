"""A source whose description and exports are remembered: it is loaded only for what is new."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from converter import cache, contents, tools
from converter.cache import Cache
from converter.protocol import REPLY, Declined, Description, Export, Exported, Failed, Rank, Ranked, encode
from converter.routes import Routes
from converter.source import Source

_REPLY, _FILE = "reply.json", "model"


class RememberedRoutes:
    """The same methods as `Routes`.

    A failure is not remembered: it may have come of a full disk, a network that was away, too little memory.
    """

    def __init__(self, routes: Routes, results: Cache, source: Source) -> None:
        self._routes = routes
        self._cache = results
        self._basis = cache.key(
            [contents.sha256(file) for file in source.files()],
            source.format,
            source.code,
            source.input_shape,
            modules(source),
            tools.fingerprint(),
        )
        self._described = False
        self._lock = threading.Lock()

    def describe(self) -> Description:
        """See `Routes.describe`."""
        key = cache.key("describe", self._basis)
        if entry := self._cache.get(key):
            reply = REPLY.decode((entry / _REPLY).read_bytes())
            assert isinstance(reply, Description)
            return reply
        description = self._load()
        self._cache.put(key, {_REPLY: encode(description)})
        return description

    def export(self, request: Export) -> Exported | Declined | Failed:
        """See `Routes.export`."""
        key = cache.key("export", self._basis, request.recipe, request.shape, _hash(Path(request.calibration)))
        if entry := self._cache.get(key):
            reply = REPLY.decode((entry / _REPLY).read_bytes())
            assert isinstance(reply, Exported | Declined)
            if isinstance(reply, Exported):
                shutil.copyfile(entry / _FILE, request.target)
            return reply
        self._make_sure_of_it()
        found = self._routes.export(request)
        if isinstance(found, Exported):
            self._cache.put(key, {_REPLY: encode(found), _FILE: Path(request.target)})
        elif isinstance(found, Declined):
            self._cache.put(key, {_REPLY: encode(found)})
        return found

    def rank(self, request: Rank) -> Ranked | Declined | Failed:
        """See `Routes.rank`."""
        key = cache.key("rank", self._basis, request.recipe, request.shape, _hash(Path(request.calibration)))
        if entry := self._cache.get(key):
            reply = REPLY.decode((entry / _REPLY).read_bytes())
            assert isinstance(reply, Ranked)
            return reply
        self._make_sure_of_it()
        found = self._routes.rank(request)
        if isinstance(found, Ranked):
            self._cache.put(key, {_REPLY: encode(found)})
        return found

    def close(self) -> None:
        """See `Routes.close`."""
        self._routes.close()

    def _make_sure_of_it(self) -> None:
        """Load the source, if all that is known of it so far was remembered."""
        with self._lock:
            if not self._described:
                self._load()

    def _load(self) -> Description:
        self._described = True
        return self._routes.describe()


def modules(source: Source) -> list[str]:
    """What the code of a source may import from beside it: its neighbours, and its own package."""
    if not source.code:
        return []
    package = source.folder / source.code.partition(":")[0].partition(".")[0]
    return [contents.sha256(file) for file in sorted({*source.folder.glob("*.py"), *package.rglob("*.py")})]


def _hash(path: Path) -> str:
    return contents.sha256(path) if path.exists() else ""
