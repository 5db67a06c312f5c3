"""What `godwit watch` reports, as lines for people and as JSON lines for programs."""

from __future__ import annotations

from typing import Literal

import msgspec

from firmware_profiles import summary, wire


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a device.

    Attributes:
        kind: the third level of its topic, a key of `wire.MESSAGES`.
        repeated: the same message came before.
        missing: messages known to be missing since this one came.
        new_spool: the device counts anew from here.
    """

    kind: str
    device: str
    repeated: bool = False
    missing: int = 0
    new_spool: bool = False
    message: wire.Message


class Connection(msgspec.Struct, frozen=True, tag="connection", tag_field="kind"):
    """What happened between here and the broker; `reason` is empty where all is as usual."""

    state: Literal["subscribed", "unreachable", "lost"]
    reason: str = ""


class Summary(msgspec.Struct, frozen=True, kw_only=True, tag="summary", tag_field="kind"):
    """The counts at the end.

    Attributes:
        received: distinct messages that carry an identity; `predictions` of them are predictions.
        duplicates: repeats of such messages.
        missing: messages that must have been sent and never came.
        foreign: messages on topics that are not ours, or not for watching.
        malformed: messages on our topics that cannot be read.
    """

    received: int
    predictions: int
    duplicates: int
    missing: int
    foreign: int
    malformed: int


Report = Observed | Connection | Summary


def as_json(report: Report) -> str:
    """One JSON document without line breaks."""
    return wire.encode(report).decode()


def as_text(report: Report) -> str:
    """One line for a person; what came from a device cannot move the cursor."""
    match report:
        case Connection(state="subscribed", reason=reason):
            text = f"connected{reason and f' {reason}'}: waiting for messages"
        case Connection(state, reason):
            text = f"broker {state}: {reason}; trying again"
        case Summary():
            text = (
                f"{report.received} messages received ({report.predictions} predictions), "
                f"{report.duplicates} repeats, {report.missing} missing, "
                f"{report.foreign} foreign, {report.malformed} malformed"
            )
        case Observed():
            text = f"{report.device}  {report.kind:<10}  {_message(report.message)}{_marks(report)}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _marks(observed: Observed) -> str:
    marks = ["repeat"] * observed.repeated + ["new spool"] * observed.new_spool
    marks += [f"{observed.missing} missing before it"] * bool(observed.missing)
    return f"  [{', '.join(marks)}]" if marks else ""


def _message(message: wire.Message) -> str:
    match message:
        case wire.Prediction():
            what = f"{message.model} {message.input.source}/{message.input.position}"
            return f"{what}  {summary.one_line(message.result, classes=1)}  ({message.latency_ms:.2f} ms)"
        case wire.Event():
            return f"{message.severity} {message.name}: {message.text}"
        case wire.Telemetry():
            rss_mb = (message.supervisor_rss_bytes + message.worker_rss_bytes) / 1e6
            return f"{message.predictions} predictions, {rss_mb:.0f} MB, {message.spool_messages} in the spool"
        case wire.Status():
            return message.state
        case wire.Info():
            runtimes = ", ".join(f"{name} on {use.runtime}/{use.delegate}" for name, use in message.models.items())
            return f"{message.deployment} {message.version} for {message.profile}: {runtimes}"
        case wire.Reply():
            answer = message.result and summary.one_line(message.result, classes=1)
            return f"{message.model}  {answer or message.error or message.done}".strip()
        case wire.Command():
            return message.command
        case wire.CertificateRequest():
            return "asks for its next certificate: godwit ca renew"
        case wire.Certificate():
            return "its next certificate"
