"""What opens a broker's door besides its URL: a pinned CA, a client certificate, a user and password in a file.

Devices and operators give the same four files, and are told about them in the same words.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firmware_profiles import broker_url
from firmware_profiles.broker_url import Address, Tls
from firmware_profiles.errors import InputError, Problem

if TYPE_CHECKING:
    import ssl

_MAX_PASSWORD_FILE_BYTES = 4096
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, for which Python's `ssl` has no name."""


class Files(NamedTuple):
    """The files, all optional; `password` holds one line, `user:password`."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    password: Path | None = None


def read(url: str, where: str, files: Files) -> Address:
    """The address of a broker with all that opens it; `where` names the URL in errors.

    Raises:
        InputError: everything that is wrong with the URL and the files: they do not go together, cannot
            be read, hold something else, or let every user of this machine read a secret.
    """
    address = broker_url.parse(url, where)
    problems = [*_misfits(address, where, files), *_unreadable(files)]
    if problems:
        raise InputError(*problems)
    if files.password:
        user, password = _user_and_password(files.password)
        address = address._replace(user=user, password=password)
    if address.tls:
        address = address._replace(tls=Tls(files.ca, files.certificate, files.key))
        context(address)
    return address


def context(address: Address, *, judge_dates: bool = True) -> ssl.SSLContext | None:
    """What a connection to `address` is to be wrapped in; None for one in the clear.

    The files are read anew, so a certificate that was renewed counts from the next connection on.

    Args:
        judge_dates: whether certificates must be valid today.

    Raises:
        InputError: a file cannot be read or does not hold what it should.
    """
    if address.tls is None:
        return None
    import ssl

    ca, certificate, key = address.tls
    try:
        made = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise _not_pem(ca, "CA certificates", error) from None
    if certificate:
        try:
            made.load_cert_chain(certificate, key, password="")  # none: else OpenSSL asks the terminal
        except OSError as error:
            what = "a certificate whose key, without a passphrase, is in the key file,"
            raise _not_pem(certificate, what, error) from None
    if not judge_dates:
        made.verify_flags |= _NO_CHECK_TIME
    return made


def _not_pem(path: Path | None, what: str, error: OSError) -> InputError:
    found = (error.strerror or str(error)).lower()
    return InputError(Problem(str(path), f"{what} in PEM form", found, "correct the file"))


def _misfits(address: Address, where: str, files: Files) -> Iterator[Problem]:
    if address.tls is None and (files.ca or files.certificate or files.key):
        yield Problem(where, "mqtts:// where there are certificates", "mqtt://", "correct the URL")
    if bool(files.certificate) != bool(files.key):
        found = "only the certificate" if files.certificate else "only the key"
        yield Problem(where, "a client certificate with its key", found, "name both files")
    if files.password and address.user is not None:
        yield Problem(where, "a user and password in one place", "in the URL and in a file", "remove those in the URL")


def _unreadable(files: Files) -> Iterator[Problem]:
    for path, secret in zip(files, (False, False, True, True), strict=True):
        if path is None:
            continue
        try:
            with path.open("rb"):
                mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            yield Problem(str(path), "a readable file", found, "check the path and its rights")
            continue
        if secret and mode & stat.S_IROTH:
            yield Problem(str(path), "a secret that others cannot read", f"mode {mode:04o}", "type: chmod o= FILE")


def _user_and_password(path: Path) -> tuple[str, str]:
    with path.open("rb") as stream:
        content = stream.read(_MAX_PASSWORD_FILE_BYTES + 1)
    try:
        line = content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        line = ""
    user, colon, password = line.partition(":")
    if not user or not colon or "\n" in line or len(content) > _MAX_PASSWORD_FILE_BYTES:
        step = "write them so, and nothing else"  # and what is there is not told: it may be a password
        raise InputError(Problem(str(path), "one line, user:password", "something else", step))
    return user, password
