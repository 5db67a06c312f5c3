"""An authority in a folder of the host, and what it can be asked.

```
ca.pem        by which brokers and devices know it
ca.key        its private key: whoever has it can be any device. It never leaves the host
issued.json   what it signed
crl.pem       what it took back, for the broker
certificates/ NAME.pem, and NAME.key of those whose key was made here
```
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import NAME_PATTERN
from fleet.authority import certificates, register, requests
from fleet.authority.certificates import Signer
from fleet.authority.register import Issued, Kind, Register
from fleet.passphrases import Passphrases

_SECRET_MODE = 0o600
_PEM = serialization.Encoding.PEM


class Authority(NamedTuple):
    """One that exists."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The PEM file by which others know it."""
        return self.folder / "ca.pem"

    @property
    def revocation_list(self) -> Path:
        """What a broker must refuse, in PEM form."""
        return self.folder / "crl.pem"

    def register(self) -> Register:
        """What it signed.

        Raises:
            InputError: there is no authority here.
        """
        return register.load(self.folder / "issued.json")

    def unlock(self, passphrases: Passphrases) -> Signer:
        """With its key; `passphrases` are tried only where there is one.

        Raises:
            InputError: the key cannot be read, or no passphrase opens it.
        """
        path = self.folder / "ca.key"
        try:
            content = path.read_bytes()
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            raise InputError(Problem(str(path), "the authority's key", found, "godwit ca init makes one")) from None
        locked = b"ENCRYPTED" in content
        for passphrase in passphrases(path.name) if locked else [None]:
            with contextlib.suppress(ValueError):
                key = serialization.load_pem_private_key(content, passphrase.encode() if passphrase else None)
                assert isinstance(key, ec.EllipticCurvePrivateKey)
                return Signer(certificate, key)
        raise InputError(Problem(str(path), "a key that opens", "one that does not", "try again"))

    def sign(self, signer: Signer, request: bytes, device: str | None, days: int) -> Path:
        """The certificate of a device for its own request; the key stays on the device.

        Args:
            device: its name, which must be that in the request.

        Raises:
            InputError: the request is none, or names another device.
        """
        asked = requests.read(request, device)
        return self._add(certificates.signed(signer, asked.name, asked.key, days), asked.name, "device")

    def issue(self, signer: Signer, name: str, hosts: Sequence[str], days: int) -> Path:
        """A certificate and key made here: of the broker at `hosts`, or of somebody who watches."""
        if not re.match(NAME_PATTERN, name):
            step = "use lower-case letters, digits, dots and dashes"
            raise InputError(Problem("NAME", "a name of at most 64 characters", repr(name), step))
        key = certificates.new_key()
        folder = self.folder / "certificates"
        with atomic.writer(folder / f"{name}.key", _SECRET_MODE) as stream:
            stream.write(_pem(key))
        certificate = certificates.signed(signer, name, key.public_key(), days, hosts)
        return self._add(certificate, name, "server" if hosts else "client")

    def revoke(self, signer: Signer, name: str) -> list[Issued]:
        """Take back every certificate of that name; those that were valid until now.

        Raises:
            InputError: it has none.
        """
        with self._locked() as known:
            now = certificates.now()
            found = [each for each in known.issued if each.name == name and each.holds(now)]
            if not found:
                step = "godwit ca status lists them"
                raise InputError(Problem(name, "a name with a valid certificate", "none", step))
            taken = [msgspec.structs.replace(each, revoked_at=now) if each in found else each for each in known.issued]
            # The list first: a revocation that was told and does not count would be worse than one told twice.
            self._write_list(signer, known.crl_number + 1, taken)
            register.save(self.folder / "issued.json", Register(crl_number=known.crl_number + 1, issued=taken))
            return found

    def _add(self, certificate: x509.Certificate, name: str, kind: Kind) -> Path:
        serial, not_after = f"{certificate.serial_number:x}", certificate.not_valid_after_utc
        path = self.folder / "certificates" / f"{name}.pem"
        with self._locked() as known:
            # Remembered first: what nobody remembers nobody can take back.
            issued = [*known.issued, Issued(serial=serial, name=name, kind=kind, not_after=not_after)]
            register.save(self.folder / "issued.json", msgspec.structs.replace(known, issued=issued))
            atomic.write_bytes(path, certificate.public_bytes(_PEM))
        return path

    def _write_list(self, signer: Signer, number: int, issued: Sequence[Issued]) -> None:
        revoked = (each for each in issued if each.revoked_at is not None)
        made = certificates.revocation_list(signer, number, revoked)
        atomic.write_bytes(self.revocation_list, made.public_bytes(_PEM))

    @contextmanager
    def _locked(self) -> Iterator[Register]:
        with (self.folder / "lock").open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield self.register()


def make(folder: Path, name: str, passphrase: bytes | None) -> Authority:
    """A new one.

    Raises:
        InputError: there is one, or something else, already.
    """
    authority = Authority(folder)
    if (folder / "ca.key").exists():
        step = "use it, or name another folder: with a new key every device would need a new certificate"
        raise InputError(Problem(str(folder), "a folder without an authority", "an authority", step))
    (folder / "certificates").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    signer = _new_signer(name)
    atomic.write_bytes(authority.certificate, signer.certificate.public_bytes(_PEM))
    authority._write_list(signer, 1, ())
    register.save(folder / "issued.json", Register(crl_number=1))
    with atomic.writer(folder / "ca.key", _SECRET_MODE) as stream:  # last: with it the authority exists
        stream.write(_pem(signer.key, passphrase))
    return authority


def _new_signer(name: str) -> Signer:
    key = certificates.new_key()
    return Signer(certificates.of_authority(name, key), key)


def _pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    form = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, form)
