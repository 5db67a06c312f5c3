"""The broker: is it reached, do both sides' certificates hold, and for how long."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from edge_agent import clock
from edge_agent.doctor.check import Check, Patient, failed
from edge_agent.link.tls import must_judge_dates
from firmware_profiles import broker_access
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import InputError

_TIMEOUT_S = 5.0
_ALERT_S = 1.0
_SOON = timedelta(days=30)
_RENEW = "godwit flash --ca; or edge-agent identity request, godwit ca sign, edge-agent identity accept"


def checks(patient: Patient) -> Iterator[Check]:
    """See the module. Not as the agent's own client: the broker would end the agent's session for it."""
    try:
        address = patient.config.broker.address(patient.root.folder)
    except InputError as error:
        yield from failed("broker", error)
        return
    if patient.config.broker.awaits_identity(patient.root.folder):
        yield Check("certificate", "fail", "none yet: the agent cannot connect without it", f"make one: {_RENEW}")
        return
    yield from _reach(address, patient)
    if address.tls:
        for name, path in (("certificate", address.tls.certificate), ("CA", address.tls.ca)):
            if path:
                yield _dates(name, path.read_bytes(), str(path))


def _reach(address: Address, patient: Patient) -> Iterator[Check]:
    where = f"{address.host}:{address.port}"
    judge = must_judge_dates(address, clock_trusted=clock.is_synchronised())
    context = broker_access.context(address, judge_dates=judge)
    try:
        with socket.create_connection((address.host, address.port), _TIMEOUT_S) as plain:
            if context:
                with context.wrap_socket(plain, server_hostname=address.host) as wrapped:
                    shown = wrapped.getpeercert(binary_form=True)
                    yield _heard(where, wrapped)
                    yield _dates("broker's certificate", shown or b"", where)
            else:
                yield Check("broker", "ok", f"{where} is reached")
    except ssl.SSLCertVerificationError as error:
        step = "check [broker] ca and the host's name in the URL; if the dates are wrong, this device's clock"
        yield Check("broker", "fail", f"{where}: its certificate is refused: {error.verify_message}", step)
        return
    except OSError as error:
        found = f"{where} is not reached: {(error.strerror or str(error)).lower()}"
        yield Check("broker", "warn", found, "check [broker] url, the network and the broker; predictions are kept")
        return
    if patient.status and not patient.status.connected:
        step = "see the agent's log, and the broker's: user, password, or the certificate's name"
        yield Check("link", "warn", "the broker is reached, and yet the agent is not connected", step)


def _heard(where: str, wrapped: ssl.SSLSocket) -> Check:
    """In TLS 1.3 a client hears at its first reading that its certificate is refused; else a broker says nothing."""
    wrapped.settimeout(_ALERT_S)
    try:
        wrapped.recv(1)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().rpartition("alert_")[2].replace("_", " ")
        step = f"if its dates are right it was revoked, or another authority's: {_RENEW}"
        return Check("broker", "fail", f"{where} refuses this device: {reason}", step)
    except TimeoutError:
        pass
    return Check("broker", "ok", f"{where} is reached, {wrapped.version()}")


def _dates(name: str, content: bytes, where: str) -> Check:
    try:
        from cryptography import x509
    except ModuleNotFoundError:
        return Check(name, "ok", f"{where}: dates not read", "pip install 'godwit[agent-identity]' to see them")
    try:
        pem = content.startswith(b"-----") or b"\n-----BEGIN" in content
        read = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
        until = read(content).not_valid_after_utc
    except ValueError:
        return Check(name, "fail", f"{where}: no certificate", "give the right file")
    left = until - datetime.now(timezone.utc)
    found = f"{where}: until {until:%Y-%m-%d} ({left.days} days)"
    if left > _SOON:
        return Check(name, "ok", found)
    return Check(name, "warn" if left > timedelta() else "fail", found, f"renew it: godwit ca renew; or {_RENEW}")
