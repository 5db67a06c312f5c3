"""A new root: other keys, a longer life, or a reset. It is signed by the keys of the one before, and by its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec
from securesystemslib.exceptions import Error as SecuresystemslibError
from securesystemslib.signer import Key, Signer, SSlibKey
from tuf.api.metadata import Root

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, TrustError, did_you_mean
from firmware_profiles.targets import RESET_FILE, Note
from fleet.repository import state
from fleet.repository.settings import ROLES, Role
from fleet.repository.signers import Keyring
from fleet.repository.state import State

Edit = Callable[[Root], None]


class NewKey(msgspec.Struct, frozen=True):
    """A key that comes in: its public part, and where the private one is."""

    key: Key
    uri: str


def roles_of(root: Root, keyid: str) -> list[Role]:
    """The roles that a key signs."""
    return [role for role in ROLES if keyid in root.roles[role].keyids]


def find_key(root: Root, beginning: str) -> str:
    """The id of the one key that begins so.

    Raises:
        InputError: none does, or several do.
    """
    used = {keyid for role in ROLES for keyid in root.roles[role].keyids}
    found = [keyid for keyid in used if keyid.startswith(beginning)]
    if len(found) != 1 or not beginning:
        step = did_you_mean(beginning, (keyid[:8] for keyid in used))
        raise InputError(Problem("KEY", "the beginning of one key's id", repr(beginning), step))
    return found[0]


def replacing(old: Sequence[str], new: Sequence[NewKey]) -> Edit:
    """Put `new` in the place of `old`, in every role that has them."""

    def edit(root: Root) -> None:
        for before, after in zip(old, new, strict=True):
            for role in roles_of(root, before):
                root.revoke_key(before, role)
                root.add_key(after.key, role)

    return edit


def removing(keyid: str) -> Edit:
    """Take a key out of every role that has it.

    Raises:
        InputError: by the edit, if a role would have fewer keys than must sign.
    """

    def edit(root: Root) -> None:
        problems = []
        for role in roles_of(root, keyid):
            root.revoke_key(keyid, role)
            if len(root.roles[role].keyids) < root.roles[role].threshold:
                expected = f"{root.roles[role].threshold} keys of {role} to be left"
                step = "put another in its place: godwit repo rotate-key"
                problems.append(Problem(f"key {keyid[:8]}", expected, str(len(root.roles[role].keyids)), step))
        if problems:
            raise InputError(*problems)

    return edit


def publish(
    current: State,
    keys: Keyring,
    edit: Edit,
    uris: Mapping[str, str],
    note: Note | None = None,
    also: Collection[Role] = (),
) -> list[str]:
    """Sign and publish the next root, and again whatever lost or won a key by it.

    Args:
        uris: key id → URI of the private keys that are new.
        note: what the root says beside TUF's own words.
        also: roles to be signed again whatever their keys.

    Returns:
        Names of the files that were written.

    Raises:
        InputError: keys are missing; nothing is written then.
    """
    before = copy.deepcopy(current.root)
    signers = {signer.public_key.keyid: signer for signer in keys.signers(before, "root")}
    edit(current.root)
    current.root.version += 1
    state.stamp(current.root, current.settings.expires_days["root"], note)
    keys.learn(uris)
    signers |= {signer.public_key.keyid: signer for signer in keys.signers(current.root, "root")}
    changed = [role for role in ROLES if before.roles[role].keyids != current.root.roles[role].keyids]
    raw = state.sign(current.root, signers.values())
    files = state.prepare(current, keys, [*changed, *also])  # all is signed before anything is written
    written = [state.publish_root(current, raw, uris)]
    if note and note.reset:
        written.append(_publish_reset(current, keys, signers))
    return written + state.write(current, files)


def _publish_reset(current: State, keys: Keyring, signers: dict[str, Signer]) -> str:
    """The same root once more, signed by every root key that there ever was and that can be reached.

    A device that lost the chain of roots, or has one of long ago, takes it if its own root's keys are among them.
    """
    for version in current.settings.roots:
        try:
            old = current.signed_root(version)
        except TrustError:
            continue  # one that was lost may be why this is done
        for keyid in old.roles["root"].keyids:
            if keyid not in signers and (signer := keys.signer(old.keys[keyid], "root")):
                signers[keyid] = signer
    atomic.write_bytes(current.places.metadata / RESET_FILE, state.sign(current.root, signers.values()))
    return RESET_FILE


def public_key(path: Path) -> Key:
    """The public key in a PEM file, for a private one that is in a token or a key service.

    Raises:
        InputError: it cannot be read.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except (OSError, ValueError, SecuresystemslibError) as error:
        step = "export the token's public key as PEM"
        raise InputError(Problem(str(path), "a PEM file with a public key", str(error)[:200], step)) from None
