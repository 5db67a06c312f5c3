"""`--dask`: an existing Dask cluster whose workers quantize and evaluate candidates.

Latency is never measured there, and what is proved is proved here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from converter import contents, tools
from converter.cluster import errands
from converter.cluster.errands import Made, Told, Written
from converter.exporting import Session
from converter.hosts import LIMIT_S
from converter.processes import Finished, Processes
from converter.protocol import Declined, Export, Exported, Failed
from converter.recipes import SourceFormat
from firmware_profiles.errors import Problem, UnavailableError

CONNECT_S = 5.0
_WRITES = ("--answers", "--outputs")
"""Options that name a file which the command writes."""

_There = Callable[[Path], object]
_Answer = TypeVar("_Answer")


class Cluster:
    """A connected cluster: a `Host` of the evaluator, and where `SessionThere` exports.

    Attributes:
        name: its address.
        limit_s: of one command.
        slots: how many things it does at once.
    """

    limit_s = LIMIT_S

    def __init__(self, address: str, client: Any) -> None:
        self.name = address
        self.slots = sum(client.nthreads().values())
        self._client = client
        self._executor = client.get_executor(pure=False)
        self._sent: dict[str, Any] = {}
        self._sending = threading.Lock()

    def run(self, command: str, arguments: Sequence[object]) -> Finished:
        """See `Host.run`."""
        named = list(zip(("", *map(str, arguments)), arguments, strict=False))
        written = next((Path(str(each)) for option, each in named if option in _WRITES), None)

        def sent(there: _There) -> Sequence[object]:
            return command, [_shipped(option, each, there) for option, each in named]

        try:
            told = self._told(Told, errands.run, sent)
        except _LostError as error:
            return Finished(1, b"", str(error))
        if written and told.written:
            written.write_bytes(told.written)
        return told.finished

    def export(self, model: Path, model_format: SourceFormat, request: Export) -> Exported | Declined | Failed:
        """Quantize a float model there."""
        calibration = Path(request.calibration)
        try:
            made = self._told(
                Made, errands.export, lambda there: (there(model), model_format, request, there(calibration))
            )
        except _LostError as error:
            return Failed(str(error))
        if isinstance(made.reply, Exported):
            Path(request.target).write_bytes(made.content)
        return made.reply

    def _told(
        self, kind: type[_Answer], errand: Callable[..., object], arguments: Callable[[_There], Sequence[object]]
    ) -> _Answer:
        """What a worker answers.

        What the cluster keeps can be lost with a worker. The second attempt carries everything itself, which
        Dask can give to another worker by its own means.
        """
        found = ""
        for there in (self._kept, errands.packed):
            try:
                answer = self._executor.submit(errand, *arguments(there)).result(LIMIT_S)
            except Exception as error:  # noqa: BLE001  # of a worker, of what it met, or of the way there
                found = " ".join(str(error).split())[:200] or type(error).__name__
                with self._sending:
                    self._sent.clear()
                continue
            assert isinstance(answer, kind)
            return answer
        raise _LostError(f"the cluster gave no answer ({found})")

    def _kept(self, path: Path) -> object:
        """The content, which the cluster keeps while the conversion goes on: most of it is needed again."""
        key = f"{path.name} {contents.sha256(path)}"
        with self._sending:
            if key not in self._sent:
                # In a list: of a mapping, Dask would send each value by itself.
                (self._sent[key],) = self._client.scatter([errands.packed(path)])
            return self._sent[key]


def _shipped(option: str, argument: object, there: _There) -> object:
    if option in _WRITES:
        return Written(Path(str(argument)).suffix)
    return there(argument) if isinstance(argument, Path) else str(argument)


class SessionThere(Session):
    """A session whose quantizing is done on the cluster; what needs the source's own libraries stays here."""

    def __init__(
        self, cluster: Cluster, processes: Processes, source: Path, source_format: SourceFormat, layers: str
    ) -> None:
        super().__init__(processes, source, source_format, layers)
        self._cluster = cluster
        self._model = source

    def export(self, request: Export) -> Exported | Declined | Failed:
        """See `Session.export`."""
        if self.source_format != request.recipe.format or not request.calibration:
            return super().export(request)
        return self._cluster.export(self._model, self.source_format, request)


class _LostError(Exception):
    """A worker died too often, or the cluster is gone; the text says which."""


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster, connected for the time of the block.

    Raises:
        UnavailableError: it cannot be reached, has no workers, or other versions of what takes part.
    """
    try:
        from distributed import Client
    except ImportError:
        step = "pip install 'godwit[dask]'"
        raise UnavailableError(Problem("--dask", "the package distributed", "none", step)) from None
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]  # distributed types only some of itself
    except (OSError, ValueError) as error:
        found = " ".join(str(error).split())[:200] or type(error).__name__
        step = "start one there: dask scheduler"
        raise UnavailableError(Problem(f"--dask {address}", "a Dask scheduler", found, step)) from None
    try:
        _check(address, client)
        yield Cluster(address, client)
    finally:
        with contextlib.suppress(OSError):
            client.close()  # type: ignore[no-untyped-call]  # as above


def _check(address: str, client: Any) -> None:
    """Raises UnavailableError where a worker has other versions than this machine, which could give other results."""
    workers = client.run(tools.versions)
    if not workers:
        step = f"start some: dask worker {address}"
        raise UnavailableError(Problem(f"--dask {address}", "workers", "none", step))
    ours = tools.versions()
    problems = []
    for worker, theirs in workers.items():
        odd = [name for name in ours if theirs.get(name) != ours[name]]
        if odd:
            expected = ", ".join(f"{name} {ours[name]}" for name in odd)
            found = ", ".join(f"{name} {theirs.get(name, 'missing')}" for name in odd)
            problems.append(Problem(f"worker {worker}", expected, found, "install there what is installed here"))
    if problems:
        raise UnavailableError(*problems)
