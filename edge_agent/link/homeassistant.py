"""Home Assistant's MQTT discovery: a device and its sensors, told in one retained message.

The form is that of a device discovery payload, which Home Assistant has taken since 2024.11:
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from edge_agent.link.dialling import Retained
from firmware_profiles import VERSION, topics
from firmware_profiles.manifest import Manifest, Model

Component = dict[str, Any]

_PLATFORM = "sensor"
_AVAILABLE = "{{ 'online' if value_json.state == 'online' else 'offline' }}"
_MEASURED = {"state_class": "measurement"}
_DIAGNOSTIC = {"entity_category": "diagnostic", **_MEASURED}

_MOST_VALUES = 16


def _best(of: str, field: str) -> str:
    """Template of a field of the best of a list; no value, which "None" says, where the list is empty."""
    return f"{{% set all = value_json.result.{of} %}}{{{{ all[0].{field} if all else None }}}}"


def _label(of: str) -> str:
    return f"{{% set all = value_json.result.{of} %}}{{{{ (all[0].label or all[0].index) if all else None }}}}"


_RESULTS: dict[str, dict[str, tuple[str, Component]]] = {
    "classification": {"label": (_label("top"), {}), "score": (_best("top", "score"), _MEASURED)},
    "detection": {
        "label": (_label("objects"), {}),
        "count": ("{{ value_json.result.objects | count }}", _MEASURED),
    },
    "segmentation": {"label": (_label("classes"), {}), "share": (_best("classes", "share"), _MEASURED)},
    "anomaly": {"score": ("{{ value_json.result.score }}", _MEASURED)},
}
"""Task → what of its result becomes a sensor: template, and what else is said of the sensor."""


def discovery(device: str, manifest: Manifest, prefix: str, announced: Collection[str]) -> Retained:
    """What Home Assistant is to show of a device.

    Args:
        announced: keys of all components that it was ever told; those that are gone it then removes.
    """
    present = components(device, manifest)
    gone = {key: {"platform": _PLATFORM} for key in sorted(announced) if key not in present}
    status = topics.topic(device, "status")
    payload = {
        "device": {
            "identifiers": [f"godwit-{device}"],
            "name": device,
            "manufacturer": "Godwit",
            "model": manifest.profiles[0],
            "sw_version": f"{manifest.name} {manifest.version}",
        },
        "origin": {"name": "Godwit", "sw_version": VERSION},
        "availability": [{"topic": status, "value_template": _AVAILABLE}],
        "qos": 1,
        "components": present | gone,
    }
    return Retained(_topic(device, prefix), msgspec.json.encode(payload))


def retraction(device: str, prefix: str) -> Retained:
    """Home Assistant is to forget the device."""
    return Retained(_topic(device, prefix), b"")


def components(device: str, manifest: Manifest) -> dict[str, Component]:
    """The sensors by their keys, which are the same for ever."""
    found = dict(_of_device(device, manifest))
    for model in manifest.models:
        found |= _of_model(device, model)
    return {
        key: {"platform": _PLATFORM, "unique_id": f"godwit-{device}-{key}", **component}
        for key, component in found.items()
    }


def _topic(device: str, prefix: str) -> str:
    # A dot may be in our names, and not in Home Assistant's; a capital letter may not be in ours.
    return f"{prefix}/device/{device.replace('.', 'DOT')}/config"


def _of_device(device: str, manifest: Manifest) -> Iterator[tuple[str, Component]]:
    yield (
        "status",
        {
            "name": "Status",
            "state_topic": topics.topic(device, "status"),
            "value_template": "{{ value_json.state }}",
            "device_class": "enum",
            "options": ["online", "stopped", "offline"],
            "entity_category": "diagnostic",
            "availability": [],  # else it could only ever show one of the three
        },
    )
    telemetry = topics.topic(device, "telemetry")
    yield (
        "queue",
        {
            "name": "Queue",
            "state_topic": telemetry,
            "value_template": "{{ value_json.spool_messages }}",
            "icon": "mdi:tray-full",
            **_DIAGNOSTIC,
        },
    )
    if manifest.sensors.temperature:
        yield (
            "temperature",
            {
                "name": "Temperature",
                "state_topic": telemetry,
                "value_template": "{{ value_json.temperature_c }}",
                "device_class": "temperature",
                "unit_of_measurement": "°C",
                **_DIAGNOSTIC,
            },
        )


def _of_model(device: str, model: Model) -> dict[str, Component]:
    topic = topics.topic(device, "prediction", model.name)
    sensors = _values(model) if model.task == "regression" else _RESULTS.get(model.task, {})
    found = {
        f"{model.name}_{what}": {
            "name": f"{model.name} {what}",
            "state_topic": topic,
            "value_template": template,
            **more,
        }
        for what, (template, more) in sensors.items()
    }
    found[f"{model.name}_latency"] = {
        "name": f"{model.name} latency",
        "state_topic": topic,
        "value_template": "{{ value_json.latency_ms }}",
        "device_class": "duration",
        "unit_of_measurement": "ms",
        **_DIAGNOSTIC,
    }
    return found


def _values(model: Model) -> dict[str, tuple[str, Component]]:
    """Of a regression: its values by the names they were given, or the first one."""
    found = {}
    for index, name in enumerate(model.post.names[:_MOST_VALUES] or ["value"]):
        unit = model.post.units[index : index + 1]
        more = _MEASURED | {"name": f"{model.name} {name}"} | ({"unit_of_measurement": unit[0]} if unit else {})
        # Brackets, since a dot would find the method `values` of a dict.
        found[f"value{index or ''}"] = (f"{{{{ value_json.result['values'][{index}] }}}}", more)
    return found
