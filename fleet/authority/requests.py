"""What devices ask for: signing requests (PKCS #10), and the proof that it is the device that asks."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.identity import PROOF, Identity
from firmware_profiles.wire import CertificateRequest
from firmware_profiles.words import NAME_PATTERN
from fleet.authority import certificates
from fleet.authority.register import DAYS

if TYPE_CHECKING:
    from fleet.authority.authority import Authority
    from fleet.authority.certificates import Signer

_MAX_BYTES = 16_384
_STEP = "make it on the device: edge-agent identity request"


class Asked(NamedTuple):
    """A request that was read."""

    name: str
    key: ec.EllipticCurvePublicKey


def read(raw: bytes, device: str | None) -> Asked:
    """The request in PEM form.

    Args:
        device: its name, which must be that in the request; None for any.

    Raises:
        InputError: it is none, or names another device.
    """
    try:
        if len(raw) > _MAX_BYTES:
            raise ValueError
        request = x509.load_pem_x509_csr(raw)
        names = _names(request)
        signed, key = request.is_signature_valid, request.public_key()
    except ValueError:
        raise _refused("a signing request in PEM form", "something else") from None
    if not signed:
        raise _refused("one signed by its own key", "another signature")
    if len(names) != 1 or not re.match(NAME_PATTERN, names[0]):
        raise _refused("the name of one device", ", ".join(map(repr, names)) or "none")
    if device not in (None, names[0]):
        raise _refused(f"one of {device}", f"one of {names[0]}", "give the right file")
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _refused("a key on an elliptic curve", type(key).__name__, "make it again")
    return Asked(names[0], key)


def answered(authority: Authority, asked: Asked) -> Path | None:
    """The certificate that was signed for this very request, if it holds."""
    path = authority.folder / "certificates" / f"{asked.name}.pem"
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    return path if found.public_key() == asked.key and _holds(authority, found) else None


def judge(authority: Authority, request: CertificateRequest, device: str, *, first_too: bool) -> Asked:
    """A request that a stranger may have carried here: whether it is to be signed.

    Args:
        first_too: whether a name that has no certificate needs no proof: it never had one, or they ended by
            themselves. One that was taken back does.

    Raises:
        InputError: it is not, and why.
    """
    asked, now = read(request.csr.encode(), device), certificates.now()
    before = [each for each in authority.register().issued if each.name == asked.name]
    if not first_too or any(each.revoked_at or each.holds(now) for each in before):
        _prove(authority, request, asked)
    return asked


def answer(authority: Authority, signer: Signer, request: CertificateRequest, device: str, *, first_too: bool) -> Path:
    """The certificate for a request, signed now unless it was before; arguments and errors as of `judge`."""
    asked = judge(authority, request, device, first_too=first_too)
    found = answered(authority, asked)
    return found or authority.sign(signer, request.csr.encode(), device, DAYS)


def _prove(authority: Authority, request: CertificateRequest, asked: Asked) -> None:
    """The key of a certificate of its own, which holds and is in its last third, must have signed the request."""
    step = "if it is yours, flash it over ssh or a cable with --ca, or sign its request by hand: godwit ca sign"
    if not request.certificate:
        raise _refused("the proof by its present certificate", "none", step)
    try:
        shown = x509.load_pem_x509_certificate(request.certificate.encode())
        shown.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate.read_bytes()))
        key = shown.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey), "this authority signs no other"
        key.verify(base64.b64decode(request.proof), PROOF + request.csr.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, TypeError, InvalidSignature):
        raise _refused("the proof by a certificate of this authority", "another one", step) from None
    if _names(shown) != [asked.name] or not _holds(authority, shown):
        raise _refused(
            f"a certificate of {asked.name} that holds", "one that ended, was taken back, or another's", step
        )
    serial, until = f"{shown.serial_number:x}", shown.not_valid_after_utc
    present = Identity(asked.name, serial, shown.not_valid_before_utc, until)
    if not present.is_due(certificates.now()) and not answered(authority, asked):
        raise _refused("a certificate in the last third of its time", f"one until {until:%Y-%m-%d}", "wait until then")


def _holds(authority: Authority, found: x509.Certificate) -> bool:
    """Whether it is a device's, and no broker refuses it."""
    serial, issued = f"{found.serial_number:x}", authority.register().issued
    return any((each.serial, each.kind) == (serial, "device") and each.holds(certificates.now()) for each in issued)


def _names(of: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    return [str(each.value) for each in of.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _refused(expected: str, found: str, step: str = _STEP) -> InputError:
    return InputError(Problem("request", expected, found, step))
