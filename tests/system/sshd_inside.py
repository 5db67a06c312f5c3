"""A real sshd whose sessions are in a Debian userland: over it lies memory, so that the userland stays as it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.sshd import Sshd

TREE = "/run/tree"
_ENTER = """
set -e
mount --bind {folder}/passwd /etc/passwd
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/sshd /run/upper /run/work {tree}
mount -t overlay overlay -o lowerdir={lower},upperdir=/run/upper,workdir=/run/work {tree}
cat {folder}/passwd.more >> {tree}/etc/passwd
cat {folder}/shadow.more >> {tree}/etc/shadow
mkdir -p {tree}/home/pi {tree}/etc/sudoers.d {tree}/srv
chown 1000:1000 {tree}/home/pi
echo 'pi ALL=(ALL) ALL' > {tree}/etc/sudoers.d/pi
mount -t proc proc {tree}/proc
mount --rbind /dev {tree}/dev
mount -t tmpfs tmpfs {tree}/sys
mkdir -p {tree}/sys/devices/system/cpu
cp /sys/devices/system/cpu/possible /sys/devices/system/cpu/present {tree}/sys/devices/system/cpu
exec "$@"
"""
PEOPLE = {"pi": 1000, "bob": 1001}
"""`pi` may use sudo, `bob` may not."""


class SshdInside(Sshd):
    """Use as a context manager. Root and `PEOPLE` log in by the key; the latter have a password for sudo."""

    def __init__(self, folder: Path, lower: Path, user: str, password: str) -> None:
        """Args: `folder` is readable for all; `lower`: the userland."""
        super().__init__(folder, Path("/usr/local/bin"))
        self._folder_of_sshd, self._lower = folder, lower
        self.url = f"ssh://{user}@127.0.0.1:{self.port}"
        entries = [f"{name}:x:{number}:{number}::/home/pi:/bin/sh\n" for name, number in PEOPLE.items()]
        users = Path("/etc/passwd").read_text(encoding="utf-8").replace("/bin/bash", "/bin/sh")
        privileged = "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
        (folder / "passwd").write_text("".join([users, *([] if "\nsshd:" in users else [privileged]), *entries]))
        (folder / "passwd.more").write_text("".join(entries))
        hashed = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True)
        shadows = [f"{name}:{hashed.stdout.strip()}:20000:0:99999:7:::\n" for name in PEOPLE]
        (folder / "shadow.more").write_text("".join(shadows))
        config = folder / "sshd_config"
        kept = [line for line in config.read_text().splitlines() if not line.startswith("SetEnv")]
        inside = [f"ChrootDirectory {TREE}", "SetEnv PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8", "UseDNS no"]
        config.write_text("\n".join([*kept, *inside, ""]))

    def _entered(self, line: list[str]) -> list[str]:
        script = _ENTER.format(folder=self._folder_of_sshd, lower=self._lower, tree=TREE)
        # Whatever still runs there ends with sshd.
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", *line]

    @property
    def tree(self) -> Path:
        """The userland as its users see it now."""
        return Path(f"/proc/{self._process.pid}/root{TREE}")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, over ssh."""
        destination = self.url.removeprefix("ssh://").partition(":")[0]
        line = [self.path / "ssh", "-p", str(self.port), destination, *command]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def bring(self, file: Path) -> str:
        """Put a file there; its path there."""
        shutil.copyfile(file, self.tree / "srv" / file.name)
        return f"/srv/{file.name}"
