"""What devices ask for on a stick that came home, and what it takes back to them.

`godwit-outcome/DEVICE.json` has a device's request for a certificate, as `edge-agent stick` leaves it;
`godwit-identity/DEVICE/device.pem` is the certificate, and `ca.pem` beside it who signed. Whoever had the stick may
have written there: a request is signed only where `fleet.authority.requests` says so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware_profiles import atomic
from firmware_profiles.errors import InputError
from firmware_profiles.wire import CertificateRequest
from fleet.flash.certifier import CA, CERTIFICATE, Certifier

_OUTCOMES, _IDENTITIES = "godwit-outcome", "godwit-identity"
_MOST_FILES = 10_000
_MAX_BYTES = 65_536


class _Outcome(msgspec.Struct):
    """Of what a device leaves, the part that matters here."""

    device: str
    request: CertificateRequest | None = None


class Asking(NamedTuple):
    """A device that waits for a certificate, and its request."""

    device: str
    request: CertificateRequest


def find(stick: Path, certifier: Certifier) -> tuple[list[Asking], list[str]]:
    """Those that are to get one which is not on the stick yet, and in words who is refused."""
    asking, refused = [], []
    for each in _outcomes(stick / _OUTCOMES):
        try:
            signed = certifier.judge(each.request, each.device)
        except InputError as error:
            refused += [f"no certificate for {each.device!r}: {problem}" for problem in error.problems]
            continue
        if signed is None or signed.read_bytes() != _content(stick / _IDENTITIES / each.device / CERTIFICATE):
            asking.append(each)
    return asking, refused


def write(stick: Path, asking: list[Asking], certifier: Certifier) -> None:
    """Sign, and write what was signed.

    Raises:
        InputError: a request was exchanged meanwhile.
        OSError: the stick cannot be written.
    """
    for device, request in asking:
        folder = stick / _IDENTITIES / device
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(folder / CA, certifier.authority.certificate.read_bytes())
        atomic.write_bytes(folder / CERTIFICATE, certifier.answer(request, device).read_bytes())


def _outcomes(folder: Path) -> Iterator[Asking]:
    try:
        names = sorted(os.listdir(folder))[:_MOST_FILES]  # noqa: PTH208  # names alone, of which some are not read
    except OSError:
        return
    for name in names:
        if not name.endswith(".json"):
            continue
        try:
            found = msgspec.json.decode(_content(folder / name), type=_Outcome)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            continue
        if found.request:
            yield Asking(found.device, found.request)


def _content(path: Path) -> bytes:
    """The start of a plain file; nothing where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(handle, _MAX_BYTES) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    finally:
        os.close(handle)
