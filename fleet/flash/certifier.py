"""The identity of a device that is flashed: it makes a key and a request, the authority here signs, it accepts.

The key never leaves the device, and the authority's never leaves this machine (docs/howto/mqtt.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from firmware_profiles.identity import Identity
from firmware_profiles.wire import CertificateRequest
from fleet.authority import certificates, requests
from fleet.authority.authority import Authority
from fleet.authority.certificates import Signer
from fleet.authority.register import DAYS
from fleet.flash.road import Finished, Road, output
from fleet.passphrases import Passphrases

CERTIFICATE, CA = "device.pem", "ca.pem"

Run = Callable[[Sequence[str]], Finished]
"""Runs `edge-agent` with these arguments on the device."""


def shown(ended: Finished) -> Identity | None:
    """What `edge-agent identity show --json` told; None if it told nothing."""
    try:
        return msgspec.json.decode(ended.stdout, type=Identity) if ended.exit_code == 0 else None
    except msgspec.DecodeError:
        return None


class Certifier:
    """An authority, for all targets of one flash.

    Attributes:
        authority: it.
    """

    def __init__(self, folder: Path) -> None:
        """Use the one in `folder`.

        Raises:
            InputError: there is none.
        """
        self.authority = Authority(folder)
        self.authority.register()
        self._signer: Signer | None = None

    def unlock(self) -> None:
        """Open its key, before anything is written anywhere.

        Raises:
            InputError: no passphrase opens it.
        """
        self._signer = self.authority.unlock(Passphrases([]))

    def step(self, device: str, found: Identity | None) -> str:
        """What there is to do for the device of that name, in words; empty if its certificate is good.

        Args:
            device: empty if it names itself.
            found: the certificate that it has.
        """
        whose = device or "the device, by the name that it gives itself"
        sign = f"sign a certificate for {whose}, for {DAYS} days, by {self.authority.folder}"
        if found is None:
            return sign
        now = certificates.now()
        ours = any(each.serial == found.serial and each.holds(now) for each in self.authority.register().issued)
        if not ours or found.device != device:
            return f"{sign}, in place of another one"
        left = found.not_after - now
        return f"{sign}: the one that is there has {left.days} days left" if found.is_due(now) else ""

    def sign(self, request: bytes, device: str) -> Path:
        """The certificate for a request that came straight from the device.

        Raises:
            InputError: it is none, or another device's.
        """
        assert self._signer is not None, "unlock comes first"
        return self.authority.sign(self._signer, request, device, DAYS)

    def judge(self, request: CertificateRequest, device: str) -> Path | None:
        """What was signed already for a request that anybody may have carried here; None if it is to be signed.

        Raises:
            InputError: it is not to be signed.
        """
        return requests.answered(self.authority, requests.judge(self.authority, request, device, first_too=True))

    def answer(self, request: CertificateRequest, device: str) -> Path:
        """The certificate for it, signed now if it was not before.

        Raises:
            InputError: as of `judge`.
        """
        assert self._signer is not None, "unlock comes first"
        return requests.answer(self.authority, self._signer, request, device, first_too=True)

    def certify(self, road: Road, run: Run, device: str) -> None:
        """Have the device ask, sign, and have it accept.

        Args:
            device: its name in its own configuration.

        Raises:
            GodwitError: it failed; the device has the identity that it had.
        """
        request = output(run(["identity", "request"]), road.where, "a signing request")
        signed = self.sign(request, device)
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            for path, name in ((signed, CERTIFICATE), (self.authority.certificate, CA)):
                (Path(scratch) / name).write_bytes(path.read_bytes())
            there = road.put(Path(scratch), lambda *_: None)
        accepted = run(["identity", "accept", f"{there}/{CERTIFICATE}", "--ca", f"{there}/{CA}"])
        road.run(["rm", "-rf", there], as_root=False)
        output(accepted, road.where, "a certificate that is accepted")
