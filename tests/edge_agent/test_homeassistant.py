"""Home Assistant's discovery: the published form, and templates that find what is really said."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from jinja2.sandbox import SandboxedEnvironment

from edge_agent.link import homeassistant
from firmware_profiles import results, wire
from firmware_profiles.manifest import Manifest, OutputSpec
from firmware_profiles.profile import Sensors
from tests.edge_agent.support import manifest, model
from tests.firmware_profiles.test_wire import HEADER, MESSAGES, NAMES

TOPIC = {"type": "string", "minLength": 1, "pattern": r"^[^+#\x00]*$"}
TEXT = {"type": "string", "minLength": 1}
AVAILABILITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["topic"],
        "additionalProperties": False,
        "properties": {
            "topic": TOPIC,
            "value_template": TEXT,
            "payload_available": TEXT,
            "payload_not_available": TEXT,
        },
    },
}
SENSOR = {
    "type": "object",
    "required": ["platform", "unique_id", "state_topic"],
    "additionalProperties": False,
    "properties": {
        "platform": {"const": "sensor"},
        "unique_id": TEXT,
        "name": TEXT,
        "state_topic": TOPIC,
        "value_template": TEXT,
        "availability": AVAILABILITY,
        "icon": {"type": "string", "pattern": "^mdi:"},
        "entity_category": {"enum": ["config", "diagnostic"]},
        "state_class": {"enum": ["measurement", "total", "total_increasing"]},
        "device_class": {"enum": ["enum", "temperature", "duration"]},
        "unit_of_measurement": TEXT,
        "options": {"type": "array", "items": TEXT, "minItems": 1},
    },
    "dependentSchemas": {"options": {"properties": {"device_class": {"const": "enum"}}, "required": ["device_class"]}},
}
REMOVED = {"type": "object", "additionalProperties": False, "properties": {"platform": {"const": "sensor"}}}
SCHEMA = {
    "type": "object",
    "required": ["device", "origin", "components"],
    "additionalProperties": False,
    "properties": {
        "device": {
            "type": "object",
            "required": ["identifiers"],
            "additionalProperties": False,
            "properties": {
                "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
                **dict.fromkeys(["name", "manufacturer", "model", "sw_version", "hw_version"], TEXT),
            },
        },
        "origin": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": TEXT, "sw_version": TEXT, "support_url": TEXT},
        },
        "availability": AVAILABILITY,
        "qos": {"enum": [0, 1, 2]},
        "components": {"type": "object", "additionalProperties": {"anyOf": [SENSOR, REMOVED]}},
    },
}
"""What of the published form we use: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and
/integrations/sensor.mqtt/, and in home-assistant/core 2025.4: DEVICE_DISCOVERY_SCHEMA of components/mqtt/schemas.py,
DISCOVERY_SCHEMA of components/mqtt/sensor.py. Their own schemas accepted these messages when this was written."""

DISCOVERY_TOPIC = r"homeassistant/device/[a-zA-Z0-9_-]+/config"
"""TOPIC_MATCHER of components/mqtt/discovery.py."""

TEMPLATES = SandboxedEnvironment()


def deployed(**changes: Any) -> Manifest:
    return manifest(model(name="pets", **changes), sensors=Sensors(temperature="/sys/class/thermal"))


def announced(of: Manifest, *before: str, device: str = "door-7") -> Any:
    payload = json.loads(homeassistant.discovery(device, of, "homeassistant", before).payload)
    jsonschema.Draft202012Validator(SCHEMA).validate(payload)
    return payload


def shown(component: dict[str, Any], message: wire.Message) -> str:
    return TEMPLATES.from_string(component["value_template"]).render(value_json=json.loads(wire.encode(message)))


def prediction(result: results.Result) -> wire.Prediction:
    values = {"model": "pets", "version": "1.0", "input": results.Input("replay", 3), "latency_ms": 1.5}
    return wire.Prediction(**HEADER, **values, result=result)


@given(NAMES)
def test_the_topic_is_one_that_is_taken_and_no_other_devices(device: str) -> None:
    topic = homeassistant.discovery(device, deployed(), "homeassistant", ()).topic
    assert re.fullmatch(DISCOVERY_TOPIC, topic)
    assert topic.split("/")[2].replace("DOT", ".") == device


def test_a_classification_shows_its_best_class_and_score() -> None:
    sensors = announced(deployed())["components"]
    assert set(sensors) == {"status", "queue", "temperature", "pets_label", "pets_score", "pets_latency"}
    assert sensors["pets_label"]["state_topic"] == "godwit/door-7/prediction/pets"
    said = prediction(results.Classification([results.ClassScore(1, "dog", 0.75), results.ClassScore(0, "cat", 0.25)]))
    assert [shown(sensors[f"pets_{what}"], said) for what in ("label", "score", "latency")] == ["dog", "0.75", "1.5"]
    unnamed = prediction(results.Classification([results.ClassScore(4, "", 0.5)]))
    assert shown(sensors["pets_label"], unnamed) == "4"
    nothing = prediction(results.Classification([]))
    assert [shown(sensors[f"pets_{what}"], nothing) for what in ("label", "score")] == ["None", "None"]


def test_a_regression_shows_its_values_by_their_names() -> None:
    said = prediction(results.Regression([2.5, 1.0]))
    unnamed = announced(deployed(task="regression"))["components"]
    assert shown(unnamed["pets_value"], said) == "2.5"
    post = OutputSpec(names=["mass", "length"], units=["kg", "cm"])
    sensors = announced(deployed(task="regression", post=post))["components"]
    assert [shown(sensors[key], said) for key in ("pets_value", "pets_value1")] == ["2.5", "1.0"]
    assert (sensors["pets_value1"]["name"], sensors["pets_value1"]["unit_of_measurement"]) == ("pets length", "cm")


@pytest.mark.parametrize(
    ("task", "result", "expected"),
    [
        (
            "detection",
            results.Detections([results.Detection(2, "cup", 0.9, results.Box(0, 0, 1, 1))] * 2),
            {"label": "cup", "count": "2"},
        ),
        ("detection", results.Detections([]), {"label": "None", "count": "0"}),
        (
            "segmentation",
            results.Segmentation([results.ClassShare(1, "road", 0.75)]),
            {"label": "road", "share": "0.75"},
        ),
        ("anomaly", results.Anomaly(0.5, is_anomaly=True), {"score": "0.5"}),
        ("embedding", results.Embedding([1.0]), {}),
        ("raw", results.Raw([]), {}),
    ],
)
def test_every_task_shows_what_can_be_shown(task: str, result: results.Result, expected: dict[str, str]) -> None:
    sensors = announced(deployed(task=task))["components"]
    of_model = {key.removeprefix("pets_"): sensor for key, sensor in sensors.items() if key.startswith("pets_")}
    del of_model["latency"]
    assert {what: shown(sensor, prediction(result)) for what, sensor in of_model.items()} == expected


def test_the_device_shows_how_it_does() -> None:
    sensors = announced(deployed())["components"]
    assert shown(sensors["queue"], MESSAGES["telemetry"]) == "0"
    assert shown(sensors["temperature"], MESSAGES["telemetry"]) == "None"
    assert "temperature" not in announced(manifest(model()))["components"]


@pytest.mark.parametrize("state", ["online", "stopped", "offline"])
def test_whether_it_is_there_has_three_states_and_two_ends(state: Any) -> None:
    payload = announced(deployed())
    said = wire.Status(state, datetime.now(timezone.utc))
    status = payload["components"]["status"]
    assert shown(status, said) == state
    assert state in status["options"]
    assert status["availability"] == [], "what shows that it is away is always there"
    assert payload["availability"][0]["topic"] == status["state_topic"] == "godwit/door-7/status"
    assert shown(payload["availability"][0], said) == ("online" if state == "online" else "offline")


def test_what_is_gone_is_taken_back() -> None:
    before = announced(deployed())["components"]
    after = announced(manifest(model(name="birds")), *before)["components"]
    assert {key for key, component in after.items() if component == {"platform": "sensor"}} == {
        "pets_label",
        "pets_score",
        "pets_latency",
        "temperature",
    }
    assert "birds_label" in after
    assert homeassistant.retraction("door-7", "ha") == ("ha/device/door-7/config", b"")


def test_identities_are_of_one_device_only() -> None:
    ids = [
        {component["unique_id"] for component in announced(deployed(), device=device)["components"].values()}
        for device in ("door-7", "door-8")
    ]
    assert not ids[0] & ids[1]
