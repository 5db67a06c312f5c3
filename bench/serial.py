"""`python -m bench.serial --mb 2`: files over a line of 3 Mbaud, beside ZMODEM (lrzsz) and a bare copy, in one run.

The line is a pair of ptys held to 300,000 bytes a second (3 Mbaud, 8N1), with errors in both directions: a
spoiled byte is flipped in one bit, dropped, or followed by another one. Shares are of that rate, from the
first word to the last, hashes included; the receivers run already.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.say import say
from firmware_profiles.serial_link import contents
from fleet.flash import bringing, meeting
from fleet.flash.port import Port
from tools import unpacked

RATE_BYTES_S = 300_000
ERRORS = (0.0, 1e-5, 1e-4, 1e-3)
REPEATS = 3
MB = 4.0
_PTY_BAUD = 38_400  # whatever a pty is set to, the relay holds it to the rate
_PATIENCE = 8
"""Times of what the bare line takes; after that a transfer is given up."""


@contextmanager
def line(folder: Path, errors: float, seed: int) -> Iterator[tuple[Path, Path]]:
    """The ports of the host and of the device, with a process of its own between them."""
    command = [sys.executable, "-m", "tools.pty_relay", str(folder), f"--rate={RATE_BYTES_S}"]
    relay = subprocess.Popen([*command, f"--errors={errors}", f"--seed={seed}"])
    host, device = folder / "host", folder / "device"
    try:
        while not device.exists():
            time.sleep(0.01)
        yield host, device
    finally:
        relay.kill()
        relay.wait()


def bare(content: bytes, host: Path, device: Path, limit_s: float) -> float | None:
    """The bytes as they are, into a reader that counts: seconds until the last that comes."""
    writer, reader = os.open(host, os.O_RDWR | os.O_NOCTTY), os.open(device, os.O_RDWR | os.O_NOCTTY)
    os.set_blocking(writer, False)
    began_s = last_s = time.monotonic()
    at = 0
    while time.monotonic() < last_s + 0.5:
        readable, writable, _ = select.select([reader], [writer] if at < len(content) else [], [], 0.1)
        if readable and os.read(reader, 65_536):
            last_s = time.monotonic()
        if writable:
            with contextlib.suppress(BlockingIOError):
                at += os.write(writer, content[at : at + 4096])
    os.close(writer)
    os.close(reader)
    return last_s - began_s


def ours(content: bytes, host: Path, device: Path, limit_s: float) -> float | None:
    """`godwit flash serial://…` without its process: seconds until the device says that it is installed."""
    with tempfile.TemporaryDirectory() as name:
        kit, received = Path(name) / "kit", Path(name) / "received"
        kit.mkdir()
        (kit / "file").write_bytes(content)
        cargo = contents.gather(kit, None)
        process = _on(device, [sys.executable, "-m", "firmware_profiles.serial_receiver", str(received)])
        try:
            time.sleep(1.0)
            began_s = time.monotonic()
            link = bringing.host_of(cargo)
            with Port(str(host), _PTY_BAUD) as port:
                meeting.meet(port, link, "bench", _PTY_BAUD)
                said = bringing.bring(link, port, lambda *_: None)
            took_s = time.monotonic() - began_s
        finally:
            process.kill()
            process.wait()
        whole = (received / "files" / "kit" / "file").read_bytes() == content
        return took_s if said.exit_code == 0 and whole else None


def zmodem(content: bytes, host: Path, device: Path, limit_s: float) -> float | None:
    """`sz` to `rz`: seconds until `sz` ends; None where the file does not arrive whole in time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sent").mkdir()
        (folder / "got").mkdir()
        (folder / "sent" / "file").write_bytes(content)
        rz = _on(device, [*unpacked.command("rz"), "--quiet", "--binary", "--overwrite"], folder / "got")
        time.sleep(1.0)
        began_s = time.monotonic()
        sz = _on(host, [*unpacked.command("sz"), "--quiet", "--binary", str(folder / "sent" / "file")])
        try:
            sz.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        else:
            took_s = time.monotonic() - began_s
        finally:
            for process in (sz, rz):
                process.kill()
                process.wait()
        got = folder / "got" / "file"
        return took_s if got.exists() and got.read_bytes() == content else None


def _on(port: Path, command: list[str], folder: Path | None = None) -> subprocess.Popen[bytes]:
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        return subprocess.Popen(command, stdin=descriptor, stdout=descriptor, stderr=subprocess.DEVNULL, cwd=folder)
    finally:
        os.close(descriptor)


WAYS = {"bare copy": bare, "Godwit": ours, "ZMODEM (lrzsz)": zmodem}


def shares(way: str, content: bytes, errors: float, seed: int) -> float | None:
    """Of the line's rate, that a way makes of it."""
    ideal_s = len(content) / RATE_BYTES_S
    with tempfile.TemporaryDirectory() as name, line(Path(name), errors, seed) as (host, device):
        took_s = WAYS[way](content, host, device, _PATIENCE * ideal_s)
    return None if took_s is None else ideal_s / took_s


def report(mb: float = MB, repeats: int = REPEATS) -> list[str]:
    """A table, measured now."""
    content = random.Random(1).randbytes(int(mb * 1e6))  # noqa: S311
    rows = []
    for errors in ERRORS:
        found: dict[str, list[float | None]] = {way: [] for way in WAYS}
        for repeat in range(repeats):  # in turn, so that a slow minute of the machine hits all of them
            for way in WAYS:
                say(f"serial: {way}, errors {errors:g}, run {repeat + 1} of {repeats}")
                found[way].append(shares(way, content, errors, repeat))
        rows.append(f"| {errors:g} | {' | '.join(_cell(each) for each in found.values())} |")
    return [
        "## Files over a serial line",
        "",
        f"{mb:g} MB of random bytes over a pty relay held to {RATE_BYTES_S:,} bytes a second (3 Mbaud, 8N1), in",
        "% of that rate, from the first word to the last, hashes included; median (least) of",
        f"{repeats} runs in turn. A spoiled byte is flipped in one bit, dropped, or followed by another one, in both",
        "directions. The bare copy is what the relay carries without a protocol; it loses what is spoiled.",
        "",
        f"| bytes spoiled | {' | '.join(WAYS)} |",
        f"|---{'|---' * len(WAYS)}|",
        *rows,
        "",
    ]


def _cell(found: list[float | None]) -> str:
    whole = sorted(share for share in found if share is not None)
    if not whole:
        return "–"
    lost = f", {len(found) - len(whole)} of {len(found)} failed" * (len(whole) < len(found))
    return f"{100 * whole[len(whole) // 2]:.1f} ({100 * whole[0]:.1f}){lost}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.serial", description=__doc__)
    parser.add_argument("--mb", type=float, default=MB, help=f"of each file (default: {MB:g})")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"default: {REPEATS}")
    given = parser.parse_args()
    print("\n".join(report(given.mb, given.repeats)))


if __name__ == "__main__":
    main()
