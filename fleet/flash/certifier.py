"""The identity of a device that is flashed: it makes a key and a request, the authority here signs, it accepts.

The key never leaves the device, and the authority's never leaves this machine (docs/howto/mqtt.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from firmware_profiles.identity import Identity
from fleet.authority import certificates
from fleet.authority.authority import Authority
from fleet.authority.certificates import Signer
from fleet.authority.register import DAYS
from fleet.flash.road import Finished, Road, output
from fleet.passphrases import Passphrases

_CERTIFICATE, _CA = "device.pem", "ca.pem"

Run = Callable[[Sequence[str]], Finished]
"""Runs `edge-agent` with these arguments on the device."""


class Certifier:
    """An authority, for all targets of one flash."""

    def __init__(self, folder: Path) -> None:
        """Use the one in `folder`.

        Raises:
            InputError: there is none.
        """
        self._authority = Authority(folder)
        self._authority.register()
        self._signer: Signer | None = None

    def unlock(self) -> None:
        """Open its key, before anything is written anywhere.

        Raises:
            InputError: no passphrase opens it.
        """
        self._signer = self._authority.unlock(Passphrases([]))

    def step(self, device: str, shown: Finished | None) -> str:
        """What there is to do for the device of that name, in words; empty if its certificate is good.

        Args:
            device: empty if it names itself.
            shown: how `edge-agent identity show --json` ended there.
        """
        whose = device or "the device, by the name that it gives itself"
        sign = f"sign a certificate for {whose}, for {DAYS} days, by {self._authority.folder}"
        if shown is None or shown.exit_code != 0:
            return sign
        try:
            found = msgspec.json.decode(shown.stdout, type=Identity)
        except msgspec.DecodeError:
            return sign
        now = certificates.now()
        ours = any(each.serial == found.serial and each.holds(now) for each in self._authority.register().issued)
        if not ours or found.device != device:
            return f"{sign}, in place of another one"
        left = found.not_after - now
        return f"{sign}: the one that is there has {left.days} days left" if found.is_due(now) else ""

    def certify(self, road: Road, run: Run, device: str) -> None:
        """Have the device ask, sign, and have it accept.

        Args:
            device: its name in its own configuration.

        Raises:
            GodwitError: it failed; the device has the identity that it had.
        """
        assert self._signer is not None, "unlock comes first"
        request = output(run(["identity", "request"]), road.where, "a signing request")
        signed = self._authority.sign(self._signer, request, device, DAYS)
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            for path, name in ((signed, _CERTIFICATE), (self._authority.certificate, _CA)):
                (Path(scratch) / name).write_bytes(path.read_bytes())
            there = road.put(Path(scratch), lambda *_: None)
        accepted = run(["identity", "accept", f"{there}/{_CERTIFICATE}", "--ca", f"{there}/{_CA}"])
        road.run(["rm", "-rf", there], as_root=False)
        output(accepted, road.where, "a certificate that is accepted")
