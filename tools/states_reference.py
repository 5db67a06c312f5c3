"""Generate docs/updates.md, the updater's table and its picture, from edge_agent/ota/states.py."""

from __future__ import annotations

import inspect
import sys

from edge_agent.ota import states
from firmware_profiles.errors import guarded
from tools import generated

_MEANS: dict[states.Event, str] = {
    "found": "the repository or a kit has something newer, signed for this device",
    "brought": "a person brought a bundle",
    "lost": "the journal cannot be read, and what is active was never proven",
    "asked_back": "a person wants the deployment before",
    "fetched": "the file is here, and has the hash that was signed",
    "staged": "it lies in the idle slot, whole and durable",
    "trusted": "the same, of a bundle that a person answers for",
    "passed": "the self-test gave the golden answers within the limits",
    "switched": "`active` names it",
    "first": "`active` names it, and nothing is to be proved: there is nothing before it, or a person answers for it",
    "proved": "it made its predictions and minutes, or a person marked it good",
    "committed": "`proven` names it",
    "refused": "it is not what was signed, not for this device, or did not pass",
    "failed": "network, disk or file were not there; it may be tried again",
    "unhealthy": "a worker died, a limit was passed, it was refused or silent; or a person rolled it back",
    "looped": "begun a fourth time without an end",
    "switched_back": "`active` names the slot before",
    "no_way_back": "the slot before is not whole: what is active stays",
    "rejected": "this version is not tried again",
    "given_up": "what was begun is removed",
}


def text() -> str:
    """The whole document."""
    pieces = ["# Updates on the device", "Generated from `edge_agent/ota/states.py` by `make docs`: do not edit."]
    pieces += [inspect.getdoc(states) or "", f"```mermaid\n{_picture()}\n```"]
    rows = [
        f"| {row.state} | {row.event} | {row.next_state} | {row.action} | {row.on_restart} |" for row in states.TABLE
    ]
    pieces.append(
        "\n".join(["| state | event | next state | action there | on restart |", "|---|---|---|---|---|", *rows])
    )
    events = dict.fromkeys(row.event for row in states.TABLE)
    pieces.append("\n".join(["| event | means |", "|---|---|", *(f"| {each} | {_MEANS[each]} |" for each in events)]))
    return "\n\n".join(pieces) + "\n"


def _picture() -> str:
    """In Mermaid's words: https://mermaid.js.org/syntax/stateDiagram.html."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {row.state} --> {row.next_state}: {row.event}" for row in states.TABLE]
    return "\n".join(lines)


def main() -> int:
    """Write or check the document."""
    return generated.deliver("updates.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
