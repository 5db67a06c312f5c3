"""The second-best broker: amqtt, pure Python, for a demo where no mosquitto can be had.

It speaks MQTT 3.1.1 only, keeps everything in memory, and acknowledges a message before a subscriber
has it: what is under way when it stops is lost, and so is what comes for a subscriber that is away.
Never a test double of mosquitto.
"""

from __future__ import annotations

from pathlib import Path

from tools import environment
from tools.broker import Broker


class SecondBest(Broker):
    """As `Broker`, by amqtt out of `build/amqtt-venv`, which is made where it is missing."""

    name = "amqtt"
    keeps_messages = False

    def _find(self) -> list[str]:
        environment.make_amqtt()
        return [str(environment.AMQTT / "bin" / "amqtt")]

    def _configuration(self, _folder: Path) -> str:
        return f"""\
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{self.port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""
