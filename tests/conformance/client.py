"""TUF's conformance protocol, spoken by our own trust and fetch code.

    client --metadata-dir M init TRUSTED_ROOT
    client --metadata-dir M --metadata-url U refresh
    client --metadata-dir M --metadata-url U --target-name N --target-base-url T --target-dir D download

Exit code 0 or 1. What a device does beside this, and the protocol has no word for, is left out: the reference time
is the machine's, and nothing is remembered of it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tuf.api.metadata import TargetFile, Targets

from edge_agent import clock
from edge_agent.clock import Moment
from edge_agent.ota import reference
from edge_agent.ota.http import HttpCarrier
from edge_agent.ota.refreshing import Refresh
from edge_agent.ota.store import Store
from edge_agent.ota.trust import Trust
from firmware_profiles.errors import GodwitError, Problem, TrustError

_MAX_ROLES = 32


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; the process's own by default."""
    parser = argparse.ArgumentParser()
    for name in ("metadata-dir", "target-dir"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("metadata-url", "target-name", "target-base-url"):
        parser.add_argument(f"--{name}")
    parser.add_argument("command", choices=("init", "refresh", "download"))
    parser.add_argument("trusted_root", type=Path, nargs="?")
    arguments = parser.parse_args(argv)
    try:
        _carry_out(arguments)
    except GodwitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _carry_out(arguments: argparse.Namespace) -> None:
    store = Store(arguments.metadata_dir)
    if arguments.command == "init":
        raw = arguments.trusted_root.read_bytes()
        store.write_root(Trust(raw).root.version, raw)
        return
    carrier = HttpCarrier(arguments.metadata_url)
    carrier.metadata_url = arguments.metadata_url.rstrip("/")
    with tempfile.TemporaryDirectory() as folder:
        refresh = Refresh(store, carrier, reference.of_file(Path(folder) / "clock.json", _machine_time))
        refresh.run()
        if arguments.command == "download":
            carrier.targets_url = arguments.target_base_url.rstrip("/")
            _download(refresh, carrier, arguments.target_name, arguments.target_dir)


def _machine_time() -> Moment:
    return clock.moment()._replace(clock_trusted=True)


def _download(refresh: Refresh, carrier: HttpCarrier, name: str, folder: Path) -> None:
    target = _find(refresh, name)
    into = folder / quote(name, safe="")
    algorithm, wanted = next(iter(target.hashes.items()))
    if into.exists() and _hash(into, algorithm) == wanted:
        return
    parent, slash, file_name = name.rpartition("/")
    prefixed = refresh.trust.root.consistent_snapshot
    path = f"{parent}{slash}{wanted}.{file_name}" if prefixed else name
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        came = Path(partial) / "target"
        carrier.fetch(f"targets/{path}", target.length, came)
        if _hash(came, algorithm) != wanted:
            raise TrustError(Problem(name, f"{algorithm} {wanted}", "another", "nothing was kept"))
        came.replace(into)


def _find(refresh: Refresh, name: str) -> TargetFile:
    """The target of that name in the most trusted role that has it (TUF 1.0.34, 5.6.7): depth first, in order."""
    seen: set[str] = set()
    waiting = [("targets", "root")]
    while waiting and len(seen) < _MAX_ROLES:
        role, delegator = waiting.pop()
        if role in seen:
            continue
        targets = refresh.load(role, delegator)
        if name in targets.targets:
            return targets.targets[name]
        seen.add(role)
        below, is_last = _below(targets, name)
        waiting = ([] if is_last else waiting) + [(child, role) for child in reversed(below)]
    raise TrustError(Problem(name, "a target of that name", "none", "check the name"))


def _below(targets: Targets, name: str) -> tuple[list[str], bool]:
    """Roles that `targets` delegates `name` to, and whether the last of them is to be the last word."""
    roles = []
    for child, terminating in targets.delegations.get_roles_for_target(name) if targets.delegations else ():
        roles.append(child)
        if terminating:
            return roles, True
    return roles, False


def _hash(path: Path, algorithm: str) -> str:
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
