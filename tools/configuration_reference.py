"""Generate docs/configuration.md from the structs of the device's configuration."""

from __future__ import annotations

import sys
import typing

import msgspec

from edge_agent import config, format_config, link_config, publish_config, runtime_config, source_config, update_config
from edge_agent.monitor import thermal
from firmware_profiles.errors import InputError, Problem, guarded
from tools import generated
from tools.struct_tables import described, in_words

_INTRODUCTION = """\
The device's own settings lie in `etc/agent.toml` below its root. No update touches them. What is changed takes
effect when the file is saved: sources, worker, publish, runtime, thermal and telemetry at once, the others at the
next start; an event says which. What is wrong is told by an event, and the old settings hold."""
_TABLES: dict[str, type[msgspec.Struct]] = {
    "[broker]": link_config.Broker,
    "[http]": config.Http,
    "[[publish]]": publish_config.Publish,
    "[spool]": config.Spool,
    "[spool.ttl_s]": config.TimeToLive,
    "[telemetry]": config.Telemetry,
    "[thermal]": thermal.Thermal,
    "[update]": update_config.Update,
    "[worker]": config.Worker,
    "[runtime.external]": runtime_config.External,
    "[homeassistant]": link_config.HomeAssistant,
}
_SOURCES = typing.get_args(source_config.SourceSettings)
_FORMATS = typing.get_args(format_config.Format)


def text() -> str:
    """The whole document."""
    pieces = ["# The device's configuration", "Generated from `edge_agent/config.py` by `make docs`: do not edit."]
    pieces += [_INTRODUCTION, "`device`: the device's name in every topic."]
    for name, kind in _TABLES.items():
        pieces += [f"## `{name}`", *_explained(kind)]
    pieces += ["## `[[source]]`", "One table a source; `kind` says what it is ([how to](howto/sources.md))."]
    for kind in _SOURCES:
        pieces += [f"### {_tag(kind)}", *_explained(kind)]
    pieces += ["## Formats and windows of sources", 'As in `format = { kind = "csv", channels = 3 }`.']
    for kind in _FORMATS:
        pieces += [f"### {_tag(kind)}", *_explained(kind)]
    pieces += ["### window", *_explained(format_config.Window)]
    return "\n\n".join(pieces) + "\n"


def _tag(kind: type[msgspec.Struct]) -> str:
    return f'`kind = "{kind.__struct_config__.tag}"`'


def _explained(kind: type[msgspec.Struct]) -> list[str]:
    """Its sentences and settings.

    Raises:
        InputError: a setting of this struct's own that its docstring does not explain.
    """
    own = {field.name for field in msgspec.structs.fields(kind) if field.name in kind.__annotations__}
    prose, told = described(kind)
    for name in sorted(own - set(told)):
        if f"`{name}`" not in prose and name not in _OBVIOUS:
            where = f"{kind.__module__}.{kind.__name__}"
            raise InputError(Problem(where, f"a word about {name}", "none", "explain it in the docstring"))
    rows = [
        f"| `{field.name}` | `{in_words(field.type)}` | {_default(field)} | {told.get(field.name, '')} |"
        for field in msgspec.structs.fields(kind)
    ]
    return [prose, "\n".join(["| setting | type | default | means |", "|---|---|---|---|", *rows])] if rows else [prose]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "to be given"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None or value == "" or isinstance(value, msgspec.Struct):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`"


_OBVIOUS = {"enabled"}


def main() -> int:
    """Write or check the document."""
    return generated.deliver("configuration.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
