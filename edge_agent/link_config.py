"""`[broker]` and `[homeassistant]` of `agent.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_profiles import broker_access
from firmware_profiles.broker_access import Files
from firmware_profiles.broker_url import Address, Tls
from firmware_profiles.words import Name

DEFAULT_BROKER_URL = "mqtt://127.0.0.1:1883"
IDENTITY = "update/identity/current"
"""Where `edge-agent identity accept` keeps what it accepted, in a device root; nothing is there before."""


class Broker(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where predictions go. File names are absolute, or relative to the device root.

    Attributes:
        url: `mqtt[s]://[user:password@]host[:port]`.
        ca: PEM file of the authority that must have signed the broker's certificate; without it, any that the
            system trusts.
        certificate, key: PEM files of the certificate shown to the broker, and of its private key.
        password_file: holds one line, `user:password`.
        pools: names of the pools whose requests are answered too.
    """

    url: str = DEFAULT_BROKER_URL
    ca: str = ""
    certificate: str = ""
    key: str = ""
    password_file: str = ""
    pools: list[Name] = []

    def address(self, folder: Path) -> Address:
        """Where the broker is and what opens it, in a device root at `folder`.

        A certificate of `edge-agent identity` may still be awaited: the agent can be started before it is signed.
        Its files are read at every connection, so none succeeds until then.

        Raises:
            InputError: everything that is wrong with the URL and the files.
        """
        names = (self.ca, self.certificate, self.key, self.password_file)
        files = Files(*(folder / name if name else None for name in names))
        if not self.awaits_identity(folder):
            return broker_access.read(self.url, "broker.url", files)
        known = Files(None if self.ca.startswith(IDENTITY) else files.ca, password=files.password)
        address = broker_access.read(self.url, "broker.url", known)
        return address._replace(tls=Tls(*files[:3]))

    @property
    def names_identity(self) -> bool:
        """Whether the certificate and key of `edge-agent identity` are shown to the broker."""
        named = self.certificate.startswith(IDENTITY) and self.key.startswith(IDENTITY)
        return named and self.url.startswith("mqtts:")

    def awaits_identity(self, folder: Path) -> bool:
        """Whether it names that certificate, and none was accepted yet."""
        return self.names_identity and not (folder / IDENTITY).exists()


class HomeAssistant(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Sensors in Home Assistant that appear by themselves.

    Attributes:
        prefix: as it is set in Home Assistant's MQTT integration.
    """

    enabled: bool = False
    prefix: Annotated[str, Meta(pattern=r"^[^/+#\x00]+(/[^/+#\x00]+)*\Z", max_length=100)] = "homeassistant"
