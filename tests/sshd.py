"""A real sshd on a free loopback port, with keys of its own, and the `ssh` of a user who knows it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from firmware_profiles.errors import UnavailableError
from tools import processes, unpacked
from tools.broker import free_port

_START_TIMEOUT_S = 10.0
_POLL_S = 0.02
_NAMESPACE = (
    "mount --bind {folder}/passwd /etc/passwd"
    " && {{ ! [ -e {folder}/shadow ] || mount --bind {folder}/shadow /etc/shadow; }}"
    " && mount -t tmpfs tmpfs /run && mkdir /run/sshd"
    ' && exec "$@"'
)  # fmt: skip


class Sshd:
    """Use as a context manager.

    Attributes:
        port: on 127.0.0.1.
        url: `ssh://USER@127.0.0.1:PORT`.
        path: a folder for PATH, whose `ssh` has the user's key and known hosts: those that ~/.ssh would hold.
        home: what TMPDIR is for commands run there.
    """

    def __init__(self, folder: Path, search: Path, password: str = "") -> None:
        """Keep everything in `folder`, which exists; PATH of commands there begins with `search`.

        A password is the only thing that opens it, where one is given.
        """
        self._folder = folder
        self.port = free_port()
        self.url = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"
        self.home, self.path = folder / "home", folder / "path"
        for each in (self.home, self.path):
            each.mkdir()
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "authorized_keys").write_text((folder / "user.pub").read_text())
        self.trust((folder / "host.pub").read_text())
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\n{_login(folder, password)}"
            f"SetEnv PATH={search}:/usr/bin:/bin TMPDIR={self.home} HOME={folder}\n{_parts()}"
        )
        client = self.path / "ssh"
        (folder / "ssh_config").write_text(
            f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\n"
            "GlobalKnownHostsFile none\n"
        )
        client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
        client.chmod(0o755)

    def __enter__(self) -> Sshd:
        line = [*_command(), "-D", "-e", "-f", str(self._folder / "sshd_config")]
        with (self._folder / "sshd.log").open("wb") as log:
            self._process = processes.start(self._entered(line), log, log)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                processes.stop(self._process)
                pytest.skip(f"no sshd can be started here: {(self._folder / 'sshd.log').read_text().strip()[-200:]}")
            time.sleep(_POLL_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
        processes.stop(self._process)

    def trust(self, key: str) -> None:
        """The user knows this host by that public key; by none if it is empty."""
        (self._folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {key}\n" if key else "")

    def drop(self) -> None:
        """Every connection breaks."""
        for child in self._sessions(self._process.pid):
            os.kill(child, signal.SIGKILL)

    def _entered(self, line: list[str]) -> list[str]:
        """What runs that line where sshd finds what it needs."""
        return _as_user(self._folder, line)

    def _sessions(self, listening: int) -> list[int]:
        """Processes of sshd that serve a connection: below the one that listens."""
        text = Path(f"/proc/{listening}/task/{listening}/children").read_text(encoding="ascii")
        return [int(child) for child in text.split()]

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _command() -> list[str]:
    if not shutil.which("ssh-keygen"):
        pytest.skip("no OpenSSH client is installed")
    try:
        return unpacked.command("sshd")
    except UnavailableError as error:
        pytest.skip(str(error))


def _login(folder: Path, password: str) -> str:
    if not password:
        return "PasswordAuthentication no\n"
    if os.geteuid() != 0:
        pytest.skip("only root can give sshd another password")
    hashed = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True)
    (folder / "shadow").write_text(f"{getpass.getuser()}:{hashed.stdout.strip()}:20000:0:99999:7:::\n")
    return "PasswordAuthentication yes\nPermitRootLogin yes\nPubkeyAuthentication no\n"


def _parts() -> str:
    """OpenSSH 9.8 and newer start programs of their own, which an unpacked sshd would look for in /usr."""
    parts = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
    found = {key: unpacked.BUILD / "sshd/usr/lib/openssh" / name for key, name in parts.items()}
    return "".join(f"{key} {path}\n" for key, path in found.items() if path.exists())


def _as_user(folder: Path, line: list[str]) -> list[str]:
    """As root, sshd wants a user and a folder that only an installed package makes: it gets them to itself."""
    if os.geteuid() != 0:
        return line
    users = Path("/etc/passwd").read_text(encoding="utf-8")
    if "\nsshd:" in users and Path("/run/sshd").is_dir() and not (folder / "shadow").exists():
        return line
    (folder / "passwd").write_text(f"{users}sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n")
    return ["unshare", "--mount", "sh", "-c", _NAMESPACE.format(folder=folder), "sh", *line]
