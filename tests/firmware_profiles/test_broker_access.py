"""A broker's URL and the files that open it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import broker_access, broker_url
from firmware_profiles.broker_access import Files
from firmware_profiles.errors import InputError
from tools.certificates import Authority


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = Authority(tmp_path / "certs")
    return Files(authority.certificate, *authority.issue("door-7"))


def secret(path: Path, content: str) -> Path:
    path.touch(0o600)
    path.write_text(content)
    return path


def problems(url: str, files: Files) -> str:
    with pytest.raises(InputError) as caught:
        broker_access.read(url, "broker.url", files)
    return str(caught.value)


def test_the_url_says_whether_there_is_tls_and_which_port() -> None:
    assert broker_url.parse("mqtt://h", "x") == ("h", 1883, None, None, None)
    assert broker_url.parse("mqtts://h", "x") == ("h", 8883, None, None, (None, None, None))
    assert broker_access.read("mqtt://u:p@h", "x", Files())[2:4] == ("u", "p")


def test_the_files_go_into_the_address(files: Files) -> None:
    address = broker_access.read("mqtts://h", "x", files)
    assert address.tls == files[:3]
    context = broker_access.context(address)
    assert context is not None
    assert context.check_hostname


def test_user_and_password_come_from_a_file(tmp_path: Path) -> None:
    file = secret(tmp_path / "password", "door-7:a:b c\n")
    assert broker_access.read("mqtts://h", "x", Files(password=file))[2:4] == ("door-7", "a:b c")


@pytest.mark.parametrize("content", ["", "door-7\n", ":secret\n", "a:secret\nb:secret\n", "a:" + "secret" * 1000])
def test_another_password_file_is_refused_without_a_word_of_it(content: str, tmp_path: Path) -> None:
    told = problems("mqtt://h", Files(password=secret(tmp_path / "password", content)))
    assert "expected one line, user:password" in told
    assert "secret" not in told


@given(st.binary(max_size=40))
def test_any_password_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any-password"
    file.touch(0o600)
    file.write_bytes(content)
    try:
        address = broker_access.read("mqtt://h", "x", Files(password=file))
    except InputError:
        return
    assert f"{address.user}:{address.password}".encode() == content.removesuffix(b"\n")


def test_a_secret_that_every_user_can_read_is_refused(files: Files, tmp_path: Path) -> None:
    assert files.key
    files.key.chmod(0o644)
    password = secret(tmp_path / "password", "u:p")
    password.chmod(0o604)
    told = problems("mqtts://h", files._replace(password=password)).splitlines()
    assert [line.partition(": ")[0] for line in told] == [str(files.key), str(password)]
    assert "mode 0644" in told[0]
    files.key.chmod(0o640)
    assert broker_access.read("mqtts://h", "x", files)


def test_all_that_does_not_go_together_is_told_at_once(files: Files, tmp_path: Path) -> None:
    gone = Files(files.ca, files.certificate, None, tmp_path / "gone")
    told = problems("mqtt://u:secret@h", gone)
    for words in (
        "mqtts:// where there are certificates",
        "only the certificate",
        "in the URL and in a file",
        "no such",
    ):
        assert words in told
    assert "secret" not in told.replace("a secret that", "")


def test_files_that_hold_something_else_are_named(files: Files, tmp_path: Path) -> None:
    other = secret(tmp_path / "other", "no PEM")
    assert str(other) in problems("mqtts://h", files._replace(ca=other))
    assert str(files.certificate) in problems("mqtts://h", files._replace(key=other))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    assert files.key
    key = pem.load_pem_private_key(files.key.read_bytes(), None)
    lock = pem.BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, lock))
    assert "without a passphrase" in problems("mqtts://h", files)
