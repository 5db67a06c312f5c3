"""Who this device is: a key that is made here and stays here, and the certificate that its owner signed for it.

`ROOT/update/identity/current` is a symbolic link to the folder with key, certificate and CA in use, so that all
change by one rename; `next` is a key whose certificate is awaited. The updater's user writes there, the agent reads.
"""

from __future__ import annotations

import base64
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent.renewing import IDENTITY, KEY, REQUEST
from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.identity import PROOF, Identity
from firmware_profiles.wire import CertificateRequest

CERTIFICATE, CA = "device.pem", "ca.pem"
# The agent reads it as a member of its group.
_SECRET_MODE, _SECRET_FOLDER_MODE = 0o640, 0o750
_PEM = serialization.Encoding.PEM


def request(folder: Path, device: str) -> bytes:
    """A signing request (PKCS #10, PEM) for a key that waits for its certificate; the same key until it has come.

    Args:
        folder: `ROOT/update/identity`.
    """
    waiting = folder / "next"
    waiting.mkdir(_SECRET_FOLDER_MODE, parents=True, exist_ok=True)
    path = waiting / KEY
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        with atomic.writer(path, _SECRET_MODE) as stream:
            stream.write(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    _give_to_the_updater(folder)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(_key(path), hashes.SHA256()).public_bytes(_PEM)


def asked(folder: Path, device: str) -> CertificateRequest:
    """That request, with the present certificate and the proof that this device holds its key."""
    csr, present = request(folder, device), folder / "current"
    if not present.exists():
        return CertificateRequest(csr.decode())
    proof = _key(present / KEY).sign(PROOF + csr, ec.ECDSA(hashes.SHA256()))
    shown = (present / CERTIFICATE).read_text("ascii")
    return CertificateRequest(csr.decode(), shown, base64.b64encode(proof).decode())


def ask(folder: Path, device: str) -> None:
    """Leave what `asked` tells for the agent, which says it to the broker until it is answered."""
    content = msgspec.json.encode(asked(folder, device))
    with atomic.writer(folder / "next" / REQUEST, _SECRET_MODE) as stream:
        stream.write(content)
    _give_to_the_updater(folder)


def is_awaited(folder: Path, certificate: bytes) -> bool:
    """Whether it is for the key that waits.

    Raises:
        InputError: it is no certificate.
    """
    key = folder / "next" / KEY
    return key.exists() and _key(key).public_key() == _parse("certificate", certificate).public_key()


def accept(folder: Path, device: str, certificate: bytes, ca: bytes | None) -> Identity:
    """Use the certificate from now on, with the key that waited for it.

    Args:
        ca: who signed it; None for the authority of the present one.

    Raises:
        InputError: everything that is wrong with it: another key, device or authority, or its dates are over.
    """
    waiting = folder / "next"
    if ca is None:
        ca = _present_authority(folder)
    found, authority = _parse("certificate", certificate), _parse("CA", ca)
    if problems := [*_misfits(waiting / KEY, device, found, authority)]:
        raise InputError(*problems)
    identity = _told(found)
    kept = folder / identity.serial
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(_SECRET_FOLDER_MODE)
    told = msgspec.json.encode(identity)
    for name, content in ((CERTIFICATE, certificate), (CA, ca), (IDENTITY, told)):
        atomic.write_bytes(kept / name, content)
    with atomic.writer(kept / KEY, _SECRET_MODE) as stream:
        stream.write((waiting / KEY).read_bytes())
    _give_to_the_updater(folder)
    before = folder / (folder / "current").readlink() if (folder / "current").is_symlink() else None
    atomic.replace_link(folder / "current", identity.serial)
    for old in filter(None, (waiting, before)):
        if old != kept:
            shutil.rmtree(old, ignore_errors=True)
    return identity


def _present_authority(folder: Path) -> bytes:
    path = folder / "current" / CA
    try:
        return path.read_bytes()
    except OSError:
        step = "give the authority's own certificate, too: --ca PEM"
        raise InputError(Problem(str(path), "the authority of the present certificate", "none", step)) from None


def _give_to_the_updater(folder: Path) -> None:
    """What root makes belongs to whom the folder above belongs to."""
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


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
