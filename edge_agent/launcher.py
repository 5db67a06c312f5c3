"""`launcher.py ROOT`: runs the agent's own code from ROOT/agent/<active>, or the other slot's where that is no good.

It lies outside the slots, is not updated with them, and needs nothing but the standard library. A slot that
ROOT/agent/proven does not name is started three times; then the other one is. We may not write in ROOT/agent:
ROOT/var/starts.json says which slot was passed over and why, and the updater makes that permanent.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

STARTS = 3
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def main(root: Path) -> NoReturn:
    """Become the agent."""
    home, counter = root / "agent", root / "var" / "starts.json"
    slots = [home / name for name in ("a", "b") if (home / name).is_dir()]
    if not slots:
        sys.exit(f"error: {home}: expected the agent's code, found none; install the agent again")
    link, proven = (Path(os.path.realpath(home / name)) for name in ("active", "proven"))  # damaged, it is no slot
    slot = named = next(each for each in (link, proven, *slots) if each in slots)
    others = [each for each in slots if each != named]
    reason = why_no_start(named, counter) if others and named != proven else ""
    if not reason and others and interpreter(named) is None:
        reason = f"it is for {tag(named)} and here is {HERE}: Python was replaced underneath"
    if reason:
        slot = others[0]
        print(f"warning: {named} is passed over: {reason}", file=sys.stderr, flush=True)
        write(counter, {**parsed(counter), "passed_over": named.name, "reason": reason})
    if (python := interpreter(slot)) is None:
        sys.exit(f"error: {slot}: expected {tag(slot)}, found {HERE}: Python was replaced; install the agent again")
    told = {"PYTHONPATH": str(slot), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    told |= {"GODWIT_AGENT_SLOT": slot.name, "GODWIT_AGENT_NAMED": named.name, "GODWIT_LAUNCHER": __file__}
    os.chdir("/")  # the working folder is on the module path: "/" holds no modules of anybody's
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    os.execve(python, [python, "-m", "edge_agent", "run", "--root", str(root)], {**kept, **told})  # noqa: S606


def why_no_start(slot: Path, counter: Path) -> str:
    """Count one more start of the code in `slot`, which is not proven; why there is to be none, else nothing."""
    status, before = slot.stat(), parsed(counter)
    code = f"{slot.name} {status.st_ino} {status.st_mtime_ns}"
    starts = before.get("starts") if before.get("code") == code else 0
    starts = starts if isinstance(starts, int) else 0
    if starts >= STARTS:
        return f"it was started {starts} times and did not prove itself"
    return "" if write(counter, {"code": code, "starts": starts + 1}) else "its starts cannot be counted"


def tag(slot: Path) -> str:
    """What Python the code in a slot is for; ours where it does not say."""
    return str(parsed(slot / "agent.json").get("python", HERE))


def interpreter(slot: Path) -> str | None:
    """A Python for the code in a slot: this one, or another one of the system's."""
    wanted = tag(slot)
    paths = (f"{folder}/python{wanted[2:3]}.{wanted[3:]}" for folder in ("/usr/bin", "/usr/local/bin"))
    return sys.executable if wanted == HERE else next((path for path in paths if Path(path).exists()), None)


def parsed(path: Path) -> dict[str, Any]:
    """A JSON object; nothing where the file is missing or damaged."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def write(path: Path, what: dict[str, Any]) -> bool:
    """Replace a file durably; whether that worked."""
    try:
        with path.with_suffix(".tmp").open("w", encoding="ascii") as stream:
            json.dump(what, stream)
            stream.flush()
            os.fsync(stream.fileno())
        path.with_suffix(".tmp").replace(path)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
