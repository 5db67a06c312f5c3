"""Keys that are changed, revoked, lost, or in a token; devices follow, or are told why not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner

from firmware_profiles.errors import TrustError
from fleet.repository import state
from tests.fleet.repositories import Command, offer, pack

ONE = "default/pets-1.0-raspberry-pi-5.godwit"


@pytest.fixture
def filled(godwit: Command, tmp_path: Path) -> Command:
    """A repository with one bundle, and its root key in a safe place."""
    godwit.init("--root-keys", tmp_path / "safe")
    godwit.repo("add", pack(tmp_path))
    return godwit


def keys(godwit: Command) -> dict[str, str]:
    """Role → beginning of its key's id."""
    return {role: key["key"] for key in godwit.repo("status")["keys"] for role in key["roles"]}


def name(godwit: Command, device: Path) -> str:
    got = offer(godwit, device)
    assert got is not None
    return got.name


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_key_is_rotated_and_devices_follow(filled: Command, tmp_path: Path, role: str) -> None:
    device, safe = tmp_path / "device", tmp_path / "safe"
    name(filled, device)
    before = keys(filled)
    filled.repo("rotate-key", role, "--keys", safe, "--root-keys", safe)
    after = keys(filled)
    shared = {"snapshot", "timestamp"} if role in ("snapshot", "timestamp") else {role}
    assert {each for each in after if after[each] != before[each]} == shared
    filled.repo("add", pack(tmp_path, "1.1"), "--keys", safe)
    assert name(filled, device) == "default/pets-1.1-raspberry-pi-5.godwit"
    for path in (*safe.glob(f"*{before[role]}*"), *(filled.folder / "keys").glob(f"*{before[role]}*")):
        path.unlink()
    filled.repo("sign", "--role", "root", "--role", "targets", "--keys", safe)
    assert name(filled, tmp_path / "later") == "default/pets-1.1-raspberry-pi-5.godwit"


def test_changing_a_key_needs_the_root_key_and_else_changes_nothing(filled: Command) -> None:
    before = filled.public()
    made = sorted((filled.folder / "keys").iterdir())
    code, _, err = filled.tried("rotate-key", "timestamp")
    assert code == 2
    assert "of root: expected root-" in err
    assert filled.public() == before
    assert sorted((filled.folder / "keys").iterdir()) == made


def test_a_key_is_revoked_as_long_as_enough_are_left(godwit: Command, tmp_path: Path) -> None:
    godwit.init("--signed-by", "targets=2/3")
    godwit.repo("add", pack(tmp_path))
    first, second, _ = godwit.repo("status")["roles"][1]["keys"]
    godwit.repo("revoke", first)
    assert name(godwit, tmp_path / "device") == ONE
    before = godwit.public()
    code, _, err = godwit.tried("revoke", second)
    assert code == 2
    assert "expected 2 keys of targets to be left, found 1; put another in its place" in err
    code, _, err = godwit.tried("revoke", "zz")
    assert "expected the beginning of one key's id, found 'zz'" in err
    assert godwit.public() == before
    for wrong in ("targets=3/2", "targets=0/1", "target=1/1", "targets=2"):
        code, _, err = godwit("repo", "init", tmp_path / "other", "--no-passphrase", "--signed-by", wrong)
        assert (code, "then = and how many of how many" in err) == (2, True)


def test_one_of_three_root_keys_may_be_lost(godwit: Command, tmp_path: Path) -> None:
    godwit.init("--signed-by", "root=2/3")
    godwit.repo("add", pack(tmp_path))
    name(godwit, tmp_path / "device")
    lost = next((godwit.folder / "root-keys").iterdir())
    lost.unlink()
    godwit.repo("rotate-key", lost.stem.removeprefix("root-"))
    assert name(godwit, tmp_path / "device") == ONE
    assert godwit.repo("status")["roles"][0]["threshold"] == 2


def test_a_stolen_key_signs_nothing_after_it_was_rotated(filled: Command, tmp_path: Path) -> None:
    device = tmp_path / "device"
    name(filled, device)
    stolen = Command(tmp_path, filled._capsys)
    stolen.folder = tmp_path / "stolen"
    shutil.copytree(filled.folder, stolen.folder)
    filled.repo("rotate-key", "targets", "--keys", tmp_path / "safe")
    filled.repo("rotate-key", "timestamp", "--keys", tmp_path / "safe")
    name(filled, device)
    for _ in range(3):
        stolen.repo("sign", "--role", "targets")
    stolen.repo("add", pack(tmp_path, "6.6"))
    for newest in ("2.root.json", "3.root.json"):
        shutil.copyfile(filled.folder / "public/metadata" / newest, stolen.folder / "public/metadata" / newest)
    for at in (device, tmp_path / "new"):
        with pytest.raises(TrustError, match=r"timestamp.json: expected signatures"):
            offer(filled, at, at=stolen.folder / "public")
    assert name(filled, device) == ONE


def test_a_change_that_is_cut_off_at_any_rename_is_brought_to_its_end(
    filled: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, whole, rename = tmp_path / "device", tmp_path / "whole", os.replace
    name(filled, device)
    shutil.copytree(filled.folder, whole)
    cuts = 0
    for words in (("rotate-key", "targets"), ("sign", "--reset"), ("add", pack(tmp_path, "1.1"))):
        for last in range(100):
            shutil.rmtree(filled.folder)
            shutil.copytree(whole, filled.folder)
            left = iter(range(last))

            def cut(*names: Any, left: Iterator[int] = left) -> None:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                rename(*names)

            with monkeypatch.context() as cutting:
                cutting.setattr(os, "replace", cut)
                code, _, _ = filled.tried(*words, "--keys", tmp_path / "safe")
            if code == 0:
                break
            assert code == 130
            cuts += 1
            filled.repo("sign", "--keys", tmp_path / "safe")
            filled.repo(*words, "--keys", tmp_path / "safe")
            shutil.rmtree(tmp_path / "another", ignore_errors=True)
            shutil.copytree(device, tmp_path / "another")
            assert name(filled, tmp_path / "another") == name(filled, tmp_path / f"new-{cuts}")
    assert cuts > 15


def test_a_key_that_was_changed_signs_nothing_that_is_signed_on(filled: Command, tmp_path: Path) -> None:
    """With the old keys and a way into the published folder, a thief could else have his own bundle signed by us."""
    stolen = Command(tmp_path, filled._capsys)
    stolen.folder = tmp_path / "stolen"
    shutil.copytree(filled.folder, stolen.folder)
    stolen.repo("add", pack(tmp_path, "6.6"))
    filled.repo("rotate-key", "targets", "--keys", tmp_path / "safe")
    published = filled.folder / "public" / "metadata"
    for path in (stolen.folder / "public" / "metadata").glob("[0-9]*.targets.json"):
        shutil.copyfile(path, published / path.name)
    code, _, err = filled.tried("sign")
    assert code == 6
    assert "expected signatures of targets's keys" in err


def test_a_token_that_does_not_sign_leaves_all_as_it_was(filled: Command, tmp_path: Path) -> None:
    before = filled.public()
    public = tmp_path / "token.pem"
    public.write_text(CryptoSigner.generate_ecdsa().public_key.keyval["public"])
    words = ("rotate-key", "targets", "--key", "hsm:2", "--public-key", public, "--keys", tmp_path / "safe")
    for _ in range(2):
        assert filled.tried(*words)[0] == 2
        assert filled.public() == before
    filled.repo("sign")


def test_a_reset_is_signed_for_devices_of_every_root(filled: Command, tmp_path: Path) -> None:
    lost, safe = tmp_path / "lost", tmp_path / "safe"
    name(filled, lost)
    for _ in range(2):
        filled.repo("rotate-key", "root", "--keys", safe, "--root-keys", safe)
    filled.repo("rotate-key", "timestamp", "--keys", safe)
    metadata = filled.folder / "public" / "metadata"
    (metadata / "2.root.json").rename(tmp_path / "2.root.json")
    with pytest.raises(TrustError, match=r"timestamp.json: expected signatures"):
        offer(filled, lost)
    assert filled.repo("sign", "--reset", "--keys", safe)["written"][:2] == ["5.root.json", "reset.json"]
    assert name(filled, lost) == ONE
    reset = json.loads((metadata / "5.root.json").read_bytes())["signed"]["x-godwit"]["reset"]
    assert abs(datetime.fromisoformat(reset.replace("Z", "+00:00")) - state.utc_now()) < timedelta(hours=1)
    filled.repo("rotate-key", "timestamp", "--keys", safe)
    assert "reset" not in json.loads((metadata / "6.root.json").read_bytes())["signed"]["x-godwit"]


def test_a_key_in_a_token_signs_by_its_uri(filled: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = CryptoSigner.generate_ecdsa()
    asked: list[str] = []

    class Token:
        """What securesystemslib calls for the scheme `token:`; a real one would be its `hsm:`."""

        @classmethod
        def from_priv_key_uri(cls, uri: str, key: Any, secrets: Any) -> CryptoSigner:
            asked.append(f"{uri} {secrets('PIN')}")
            return CryptoSigner(token._private_key, key)

    monkeypatch.setitem(SIGNER_FOR_URI_SCHEME, "token", Token)
    monkeypatch.setenv("GODWIT_PIN", "123456")
    public = tmp_path / "token.pem"
    public.write_text(token.public_key.keyval["public"])
    words = ("targets", "--key", "token:2", "--public-key", public, "--keys", tmp_path / "safe")
    filled.repo("rotate-key", *words)
    filled.repo("add", pack(tmp_path, "1.1"))
    assert name(filled, tmp_path / "device") == "default/pets-1.1-raspberry-pi-5.godwit"
    assert asked[0] == "token:2 123456"
    before = filled.public()
    token._private_key = None  # type: ignore[assignment]  # pulled out
    code, _, err = filled.tried("sign", "--role", "targets")
    assert code == 2
    assert "of targets: expected" in err
    assert "is the token plugged in" in err
    assert filled.public() == before
    monkeypatch.delitem(SIGNER_FOR_URI_SCHEME, "token")
    code, _, err = filled.tried("add", pack(tmp_path, "1.2"))
    assert code == 2
    assert (
        "expected the private key at token:2, found Unsupported private key scheme token; is the token plugged" in err
    )
    code, _, err = filled.tried("rotate-key", "targets", "--key", "token:3")
    assert "expected --key and --public-key together" in err


def test_how_long_roles_live_is_declared(godwit: Command, tmp_path: Path) -> None:
    godwit.init("--expires", "timestamp=7", "--expires", "targets=100")
    roles = {role["role"]: role["days_left"] for role in godwit.repo("status")["roles"]}
    assert roles == {"root": 730, "targets": 100, "snapshot": 30, "timestamp": 7}
    godwit.repo("sign", "--expires", "timestamp=60")
    godwit.repo("add", pack(tmp_path))
    assert godwit.repo("status")["roles"][3]["days_left"] == 60
    code, _, err = godwit.tried("sign", "--expires", "timestam=60")
    assert (code, "--expires: expected one of root, targets, snapshot, timestamp, then = and a number" in err) == (
        2,
        True,
    )
