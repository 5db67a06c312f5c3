"""Who this device is: a key that is made here and stays here, and the certificate that its owner signed for it.

`ROOT/etc/identity/current` is a symbolic link to the folder with key, certificate and CA in use, so that all
three change by one rename; `next` is a key whose certificate is awaited.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem

KEY, CERTIFICATE, CA = "device.key", "device.pem", "ca.pem"
# The agent reads it as a member of the group of whoever installs.
_SECRET_MODE, _SECRET_FOLDER_MODE = 0o640, 0o750
_PEM = serialization.Encoding.PEM


class Identity(msgspec.Struct, frozen=True):
    """A certificate of this device.

    Attributes:
        device: its common name.
        serial: in hexadecimal digits, as the authority lists it.
    """

    device: str
    serial: str
    not_before: datetime
    not_after: datetime


def request(folder: Path, device: str) -> bytes:
    """A signing request (PKCS #10, PEM) for a key that waits for its certificate; the same key until it has come.

    Args:
        folder: `ROOT/etc/identity`.
    """
    waiting = folder / "next"
    waiting.mkdir(_SECRET_FOLDER_MODE, parents=True, exist_ok=True)
    path = waiting / KEY
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        with atomic.writer(path, _SECRET_MODE) as stream:
            stream.write(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(_key(path), hashes.SHA256()).public_bytes(_PEM)


def accept(folder: Path, device: str, certificate: bytes, ca: bytes) -> Identity:
    """Use the certificate from now on, with the key that waited for it.

    Raises:
        InputError: everything that is wrong with it: another key, device or authority, or its dates are over.
    """
    waiting = folder / "next"
    found, authority = _parse("certificate", certificate), _parse("CA", ca)
    if problems := [*_misfits(waiting / KEY, device, found, authority)]:
        raise InputError(*problems)
    identity = _told(found)
    kept = folder / identity.serial
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(_SECRET_FOLDER_MODE)
    for name, content in ((CERTIFICATE, certificate), (CA, ca)):
        atomic.write_bytes(kept / name, content)
    with atomic.writer(kept / KEY, _SECRET_MODE) as stream:
        stream.write((waiting / KEY).read_bytes())
    before = folder / (folder / "current").readlink() if (folder / "current").is_symlink() else None
    atomic.replace_link(folder / "current", identity.serial)
    for old in filter(None, (waiting, before)):
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)
    return identity


def current(folder: Path) -> Identity:
    """The one in use.

    Raises:
        InputError: there is none.
    """
    path = folder / "current" / CERTIFICATE
    try:
        return _told(_parse(str(path), path.read_bytes()))
    except OSError:
        step = "make one: edge-agent identity request, godwit ca sign, edge-agent identity accept"
        raise InputError(Problem(str(path), "a certificate of this device", "none", step)) from None


def _misfits(key: Path, device: str, found: x509.Certificate, authority: x509.Certificate) -> list[Problem]:
    problems = []
    if not key.exists() or _key(key).public_key() != found.public_key():
        step = "sign the newest request: edge-agent identity request"
        problems.append(Problem("certificate", "one for the key that waits here", "one for another key", step))
    if (named := _told(found).device) != device:
        problems.append(Problem("certificate", f"one for {device}", f"one for {named}", "sign this device's request"))
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        problems.append(Problem("certificate", "one that this CA signed", "another issuer", "give the CA that did"))
    if found.not_valid_after_utc <= datetime.now(timezone.utc):  # a clock that is behind must not refuse it
        date = f"one until {found.not_valid_after_utc:%Y-%m-%d}"
        problems.append(Problem("certificate", "one that holds today", date, "sign the request again"))
    return problems


def _parse(where: str, raw: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(raw)
    except ValueError:
        raise InputError(Problem(where, "a certificate in PEM form", "something else", "give the right file")) from None


def _told(certificate: x509.Certificate) -> Identity:
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return Identity(
        ", ".join(names),
        f"{certificate.serial_number:x}",
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
