"""Private keys, by securesystemslib's signers: files with a passphrase, hardware tokens and key services alike.

`pem:NAME` is a PKCS#8 file of ours, encrypted or not; every other URI (`hsm:`, `awskms:`, `gcpkms:`, `azurekms:`,
`file2:` …) is securesystemslib's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.exceptions import Error as SecuresystemslibError
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey
from tuf.api.metadata import Root

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from fleet.repository.settings import Role

SCHEME = "pem"
_MODE = 0o600


class Secrets(Protocol):
    """What opens private keys."""

    def __call__(self, name: str) -> Iterator[str]:
        """What to try, one after the other, for the key file of that name."""
        ...

    def pin(self, what: str) -> str:
        """What opens a token or a key service."""
        ...


def generate(folder: Path, role: str, passphrase: str | None) -> tuple[str, Signer]:
    """Make an ed25519 key in `folder`, readable by its owner alone; encrypted if there is a passphrase.

    Returns:
        Its URI, and its signer.
    """
    signer = CryptoSigner.generate_ed25519()
    private = load_pem_private_key(signer.private_bytes, None)
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    name = f"{role}-{signer.public_key.keyid[:8]}.pem"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with atomic.writer(folder / name, _MODE) as stream:
        stream.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return f"{SCHEME}:{name}", signer


class Keyring:
    """The private keys that can be reached now."""

    def __init__(self, uris: Mapping[str, str], folders: Sequence[Path], secrets: Secrets) -> None:
        self._uris = dict(uris)
        self._folders = folders
        self._secrets = secrets
        self._loaded: dict[str, Signer] = {}

    def signers(self, root: Root, role: Role) -> list[Signer]:
        """Signers of as many of a role's keys as can be reached, at least its threshold.

        Raises:
            InputError: they are too few; with why, for each that is missing.
        """
        wanted = root.roles[role]
        found: list[Signer] = []
        problems: list[Problem] = []
        for keyid in wanted.keyids:
            try:
                found.append(self._signer(root.keys[keyid], role))
            except InputError as error:
                problems += error.problems
        if len(found) < wanted.threshold:
            raise InputError(*problems)
        return found

    def learn(self, uris: Mapping[str, str]) -> None:
        """Where the private keys of further key ids are."""
        self._uris.update(uris)

    def signer(self, key: Key, role: str) -> Signer | None:
        """The signer of one key, if it can be reached."""
        try:
            return self._signer(key, role)
        except InputError:
            return None

    def _signer(self, key: Key, role: str) -> Signer:
        if key.keyid not in self._loaded:
            uri = self._uris.get(key.keyid, "")
            where = f"key {key.keyid[:8]} of {role}"
            if uri.startswith(f"{SCHEME}:"):
                self._loaded[key.keyid] = self._of_file(uri.removeprefix(f"{SCHEME}:"), key, where)
            else:
                self._loaded[key.keyid] = self._of_uri(uri, key, where)
        return self._loaded[key.keyid]

    def _of_file(self, name: str, key: Key, where: str) -> Signer:
        path = next((path for folder in self._folders if (path := folder / name).is_file()), None)
        if path is None:
            looked = " or ".join(map(str, self._folders))
            step = "bring its file, and name its folder with --keys"
            raise InputError(Problem(where, f"{name} in {looked}", "none", step))
        raw = path.read_bytes()
        if not isinstance(key, SSlibKey):
            raise InputError(Problem(where, "a key of securesystemslib", key.keytype, "name its own URI"))
        for passphrase in self._tries(raw, name):
            with contextlib.suppress(ValueError, TypeError, SecuresystemslibError):
                return CryptoSigner(load_pem_private_key(raw, passphrase), key)
        raise InputError(Problem(str(path), "the private key, and its passphrase", "another", "try again"))

    def _tries(self, raw: bytes, name: str) -> Iterator[bytes | None]:
        if b"ENCRYPTED" not in raw:
            yield None
            return
        for passphrase in self._secrets(name):
            yield passphrase.encode()

    def _of_uri(self, uri: str, key: Key, where: str) -> Signer:
        try:
            return Signer.from_priv_key_uri(uri, key, self._secrets.pin)
        except Exception as error:  # noqa: BLE001  # each kind of signer has errors of its own
            found = " ".join(str(error).split())[:200] or type(error).__name__
            step = "is the token plugged in, and its library installed?"
            raise InputError(Problem(where, f"the private key at {uri or 'a known place'}", found, step)) from None
