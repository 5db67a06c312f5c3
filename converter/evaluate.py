"""The one evaluator: every figure comes from `edge-agent`, run in a process of its own."""

from __future__ import annotations

import shutil
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter import cache, contents, tools
from converter.cache import Cache
from converter.candidate import HERE, Row
from converter.hosts import Host
from firmware_profiles import errors, manifest
from firmware_profiles.errors import GodwitError, Problem
from firmware_profiles.evaluation import Evaluation, Machine, SideBySide
from firmware_profiles.wire import RuntimeInUse

_STDOUT, _OUT = "stdout", "out"


class SelfTest(msgspec.Struct, frozen=True):
    """What `edge-agent selftest --json` prints: the model agrees with its golden vectors."""

    runtime: RuntimeInUse
    golden_max_difference: float


class Bundled(NamedTuple):
    """A bundle, and what runs it."""

    bundle: Path
    row: Row


class _Out(NamedTuple):
    """An argument that names a file which the command writes."""

    path: Path


class Agent:
    """Calls `edge-agent`. Every method raises the error that it told, or GodwitError where it crashed.

    What a command told about the same content is remembered; errors are not.

    Attributes:
        host: name of the machine that it runs on.
    """

    def __init__(self, host: Host, results: Cache) -> None:
        self.host = host.name
        self._on = host
        self._cache = results
        self._hashes: dict[tuple[Path, int, int], str] = {}

    def tensors(self, model: manifest.Model, data: Path, out: Path, limit: int) -> None:
        """Check `data` against the model and write `out` (.npz: x, t0, y), at most `limit` items."""
        described = out.with_suffix(".model.json")
        described.write_bytes(msgspec.json.encode(model))
        self._ask("tensors", described, "--data", data, "--out", _Out(out), "--limit", limit)

    def evaluate(
        self,
        bundle: Path,
        row: Row,
        data: Path | None = None,
        runs: int = 0,
        answers: Path | None = None,
        outputs: Path | None = None,
    ) -> Evaluation:
        """Measure a bundle on one runtime: accuracy where there is data, latency where there are runs.

        Args:
            answers, outputs: .npz to write, at most one of them: what a metric compares, or the raw outputs.
        """
        arguments: list[object] = [bundle, *_on(row), "--runs", runs]
        if data:
            arguments += ["--data", data]
        if answers:
            arguments += ["--answers", _Out(answers)]
        if outputs:
            arguments += ["--outputs", _Out(outputs)]
        return msgspec.json.decode(self._ask("evaluate", *arguments), type=Evaluation)

    def compare(self, first: Bundled, second: Bundled, runs: int) -> SideBySide:
        """Measure the latency of two bundles in turn, in one process."""
        arguments = [first.bundle, second.bundle, "--on", first.row, second.row, "--runs", runs]
        return msgspec.json.decode(self._ask("compare", *arguments), type=SideBySide)

    @cached_property
    def machine(self) -> Machine:
        """What the machine is."""
        return msgspec.json.decode(self._ask("machine"), type=Machine)

    def selftest(self, bundle: Path, row: Row | None = None) -> SelfTest:
        """Compare with the golden vectors on one runtime, or on the first claimed that is here."""
        return msgspec.json.decode(self._ask("selftest", bundle, *(_on(row) if row else ())), type=SelfTest)

    def _ask(self, command: str, *arguments: object) -> bytes:
        """What the command prints; remembered with the file that it writes, by the content of those that it reads."""
        key = cache.key(command, tools.fingerprint(), [self._part(each) for each in arguments])
        outs = [each.path for each in arguments if isinstance(each, _Out)]
        if entry := self._cache.get(key):
            for out in outs:
                shutil.copyfile(entry / _OUT, out)
            return (entry / _STDOUT).read_bytes()
        plain = [each.path if isinstance(each, _Out) else each for each in arguments]
        stdout = self._run(command, *plain)
        self._cache.put(key, {_STDOUT: stdout, **({_OUT: outs[0]} if outs else {})})
        return stdout

    def _part(self, argument: object) -> str:
        """What an argument adds to the key."""
        if isinstance(argument, _Out):
            return "out"
        if not isinstance(argument, Path) or not argument.exists():
            return str(argument)
        status = argument.stat()
        known = (argument, status.st_mtime_ns, status.st_size)
        if known not in self._hashes:
            self._hashes[known] = argument.suffix + contents.sha256(argument)
        return self._hashes[known]

    def _run(self, command: str, *arguments: object) -> bytes:
        finished = self._on.run(command, arguments)
        if finished.exit_code == 0:
            return finished.stdout
        told = errors.from_process(finished.exit_code or 1, finished.stderr)
        if told and self.host == HERE:
            raise told
        if told:
            raise type(told)(*(each._replace(where=f"{self.host}: {each.where}") for each in told.problems))
        last = (finished.stderr.strip().splitlines() or ["no word"])[-1][:200]
        where, found = f"edge-agent {command} on {self.host}", f"one that {finished.ending(self._on.limit_s)} ({last})"
        raise GodwitError(Problem(where, "an answer from its process", found, "see its message"))


def _on(row: Row) -> tuple[str, ...]:
    return ("--runtime", row.runtime, "--delegate", row.delegate)
