"""The certificates themselves, by the `cryptography` library; forms after RFC 5280, keys on the curve P-256."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleet.authority.register import Issued

_AUTHORITY_DAYS = 20 * 365
_REVOCATION_LIST_DAYS = 10 * 365
"""A broker refuses everybody once its list is too old: so it is a new revocation that renews it, not a date."""
_SKEW = timedelta(hours=1)


class Signer(NamedTuple):
    """An authority with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def now() -> datetime:
    """Certificates count in seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def of_authority(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Signed by itself; it may sign certificates, and no other authority."""
    subject = _named(name)
    builder = (
        _dated(_AUTHORITY_DAYS)
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def signed(
    signer: Signer, name: str, public_key: ec.EllipticCurvePublicKey, days: int, hosts: Sequence[str] = ()
) -> x509.Certificate:
    """Of a client, or of a server that is reached as `hosts` (DNS names and addresses)."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    # Strict verifiers (Python from 3.13 on) want key usage and both key identifiers.
    builder = (
        _dated(days)
        .subject_name(_named(name))
        .issuer_name(signer.certificate.subject)
        .public_key(public_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_host, hosts)), critical=False)
    return builder.sign(signer.key, hashes.SHA256())


def revocation_list(signer: Signer, number: int, revoked: Iterable[Issued]) -> x509.CertificateRevocationList:
    """All that was taken back (RFC 5280, section 5)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now())
        .next_update(now() + timedelta(days=_REVOCATION_LIST_DAYS))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    for each in revoked:
        assert each.revoked_at is not None
        entry = x509.RevokedCertificateBuilder(int(each.serial, 16), each.revoked_at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(signer.key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _dated(days: int) -> x509.CertificateBuilder:
    # From a little earlier on: the clocks of others differ.
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(now() - _SKEW).not_valid_after(now() + timedelta(days=days))


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
