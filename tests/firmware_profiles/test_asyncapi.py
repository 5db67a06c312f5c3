"""docs/asyncapi.json: it describes what is really said, and every reference in it leads somewhere."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from firmware_profiles import topics, wire
from tests.firmware_profiles.test_wire import MESSAGES
from tools import asyncapi_reference

DOCUMENT: Any = json.loads(asyncapi_reference.text())


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [part["$ref"]] if "$ref" in part else [ref for inner in part.values() for ref in references(inner)]
    return [ref for inner in part for ref in references(inner)] if isinstance(part, list) else []


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        part = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


@pytest.mark.parametrize("kind", sorted(wire.MESSAGES))
def test_what_is_said_is_as_described(kind: str) -> None:
    message = DOCUMENT["components"]["messages"][kind]
    validator = jsonschema.Draft7Validator({"allOf": [message["payload"]], "components": DOCUMENT["components"]})
    validator.validate(json.loads(wire.encode(MESSAGES[kind])))
    for example in message["examples"]:
        validator.validate(example["payload"])
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"of": "something else"})


@pytest.mark.parametrize("channel", DOCUMENT["channels"].values(), ids=lambda channel: channel["title"])
def test_every_address_is_one_of_our_topics(channel: Any) -> None:
    said = re.sub(r"\{(\w+)\}", r"a-\1", channel["address"])
    topic = topics.parse_topic(said)
    assert topic is not None
    assert topics.topic(*topic) == said
    assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel["parameters"])
