"""Generate docs/asyncapi.json from firmware_profiles/wire.py: the wire for programs that read AsyncAPI 3.0.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

import inspect
import json
import sys
from datetime import datetime
from typing import Any

import msgspec

from firmware_profiles import VERSION, results, topics, wire
from firmware_profiles.errors import guarded
from tools import generated
from tools.struct_tables import described
from tools.wire_reference import EXAMPLES

_PARAMETERS = {
    "device": "name of the device, as in its configuration",
    "model": "name of the model",
    "pool": "name of a pool, as in the configuration of its members",
    "id": "which request it is: a word of the requester's own, for MQTT 3.1.1",
}
_RETAINED = ("status", "info", "identity")
_REQUEST = "Whatever the model takes. In MQTT 5 it may have a response topic and correlation data."


def text() -> str:
    """The whole document."""
    channels = {name: _channel(name, parts) for name, parts in _topics().items()}
    messages = {kind: _message(kind) for kind in wire.MESSAGES} | {"infer": _request()}
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Godwit", "version": VERSION, "description": inspect.getdoc(wire)},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {name: _operation(name) for name in channels if not name.lower().endswith(("reply", "replyid"))},
        "components": {"messages": messages, "schemas": _schemas()},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _topics() -> dict[str, topics.Topic]:
    """Name of the channel → its topic, with the parameters' names for their values."""
    by_model = ("prediction", "infer", "reply")
    found = {kind: topics.Topic("{device}", kind, "{model}" if kind in by_model else "") for kind in wire.MESSAGES}
    for kind in ("infer", "reply"):
        found[kind] = topics.Topic("{device}", kind, "{model}")
        found[f"{kind}Id"] = found[kind]._replace(id="{id}")
        found[f"pool{kind.capitalize()}"] = topics.Topic("", kind, "{model}", pool="{pool}")
        found[f"pool{kind.capitalize()}Id"] = topics.Topic("", kind, "{model}", "{id}", "{pool}")
    found["cmdReply"] = topics.Topic("{device}", "reply")
    return found


def _channel(name: str, parts: topics.Topic) -> dict[str, Any]:
    address = topics.topic(*parts)
    named = {key: {"description": words} for key, words in _PARAMETERS.items() if f"{{{key}}}" in address}
    message = {parts.kind: {"$ref": f"#/components/messages/{parts.kind}"}}
    return {"address": address, "title": name, "parameters": named, "messages": message}


def _operation(name: str) -> dict[str, Any]:
    """What the agent does with a channel."""
    channel = {"$ref": f"#/channels/{name}"}
    if name == "cmd":
        return {"action": "receive", "channel": channel, "reply": {"channel": {"$ref": "#/channels/cmdReply"}}}
    if name == "certificate":
        return {"action": "receive", "channel": channel}
    if "nfer" in name:
        answer = {"$ref": f"#/channels/{name.replace('infer', 'reply').replace('Infer', 'Reply')}"}
        return {"action": "receive", "channel": channel, "reply": {"channel": answer}}
    return {"action": "send", "channel": channel, "bindings": {"mqtt": {"qos": 1, "retain": name in _RETAINED}}}


def _message(kind: str) -> dict[str, Any]:
    struct = wire.MESSAGES[kind]
    return {
        "name": kind,
        "summary": described(struct)[0],
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        "examples": [{"payload": msgspec.to_builtins(EXAMPLES[kind])}],
    }


def _request() -> dict[str, Any]:
    correlation = {"description": "comes back with the answer", "location": "$message.header#/correlationData"}
    return {
        "name": "infer",
        "summary": _REQUEST,
        "contentType": "application/octet-stream",
        "payload": {},
        "correlationId": correlation,
    }


def _schemas() -> dict[str, Any]:
    template = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components(wire.MESSAGES.values(), ref_template=template)
    for name, schema in schemas.items():
        struct = getattr(results, name, None) or getattr(wire, name)
        prose, told = described(struct)
        schema["description"] = prose
        for field in msgspec.structs.fields(struct):
            about = schema["properties"][field.encode_name]
            if field.name in told:
                about["description"] = told[field.name]
            if field.type is datetime:
                about["format"] = "date-time"
    _name_discriminators(schemas)
    return schemas


def _name_discriminators(part: Any) -> None:
    """Unlike in OpenAPI, what tells the alternatives apart is the property's name alone."""
    if isinstance(part, dict):
        if "propertyName" in part.get("discriminator", ()):
            part["discriminator"] = part["discriminator"]["propertyName"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            _name_discriminators(inner)


def main() -> int:
    """Write or check the document."""
    return generated.deliver("asyncapi.json", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
