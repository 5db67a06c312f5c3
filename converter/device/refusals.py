"""What ssh tells when it cannot connect, and what the user can do about it."""

from __future__ import annotations

from converter.device.url import DeviceUrl
from firmware_profiles.errors import Problem, UnavailableError


def refused(url: DeviceUrl, told: str) -> UnavailableError:
    """The error for what `ssh` wrote on stderr."""
    where, prompt = f"ssh://{url.host}", " ".join(["ssh", *url.destination])
    if "HOST IDENTIFICATION HAS CHANGED" in told:
        step = "find out why: another machine may pose as it; if the device was set up anew, ssh-keygen -R its name"
        problem = Problem(where, "the host key in known_hosts", "another key", step)
    elif "Host key verification failed" in told:
        step = f"connect once by hand and compare its fingerprint: {prompt}"
        problem = Problem(where, "a host key in known_hosts", "a host that is not in it", step)
    elif "Permission denied" in told:
        step = f"bring your key there: {prompt.replace('ssh', 'ssh-copy-id', 1)}; a key with a passphrase: ssh-add"
        problem = Problem(where, "a login by a key, of an agent or a file", _last(told), step)
    else:
        problem = Problem(where, "an SSH connection", _last(told), f"check that it is on; try: {prompt}")
    return UnavailableError(problem)


def _last(told: str) -> str:
    return (told.strip().splitlines() or ["no answer"])[-1].strip()[:200]
