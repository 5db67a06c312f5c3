"""Hold the device for one flash, as long as the other end says that it is there.

Arguments: the device root, and who flashes. A name in the abstract socket namespace is held by one process at a
time, by whatever user, and is free again whenever that process ends (unix(7)); who asks there is told the owner.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

SILENCE_S = 60.0
MAX_OWNER_BYTES = 200


def main(root: str, owner: str) -> None:
    """Print one JSON line, {"held": true} or {"owner": WHO}; then wait until stdin ends or falls silent."""
    address = f"\0godwit-flash {root}"[:100]
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(address)
    except OSError:
        print(json.dumps({"owner": owner_at(address)}), flush=True)
        return
    held.listen()
    print(json.dumps({"held": True}), flush=True)
    until = time.monotonic() + SILENCE_S
    while (left_s := until - time.monotonic()) > 0:
        ready, _, _ = select.select([0, held.fileno()], [], [], left_s)
        if held.fileno() in ready:
            with held.accept()[0] as asking:
                asking.sendall(owner.encode()[:MAX_OWNER_BYTES])
        if 0 in ready:
            if not os.read(0, 64):
                return
            until = time.monotonic() + SILENCE_S


def owner_at(address: str) -> str:
    """Who holds it; "somebody" where the holder does not say."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        try:
            asking.connect(address)
            return asking.recv(MAX_OWNER_BYTES).decode(errors="replace") or "somebody"
        except OSError:
            return "somebody"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
