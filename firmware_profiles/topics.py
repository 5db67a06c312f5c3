"""MQTT topics: the only place where one is built or parsed.

They are `godwit/<device>/<rest>` and, of a pool, `godwit/pool/<pool>/<rest>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ROOT = "godwit"

POOL = "pool"
"""The second level of a pool's topics, so no device's name."""

_WITH_ID = ("infer", "reply")
_MAX_ID = 128


class Topic(NamedTuple):
    """A parsed topic.

    `godwit/<device>/<kind>[/<model>[/<id>]]` or `godwit/pool/<pool>/<kind>/<model>[/<id>]`.

    Attributes:
        device: empty in a pool's topic.
        id: which request it is, or which one it answers; only where `kind` is "infer" or "reply".
        pool: empty in a device's topic.
    """

    device: str
    kind: str
    model: str = ""
    id: str = ""
    pool: str = ""


def topic(device: str, kind: str, model: str = "", id: str = "", pool: str = "") -> str:  # noqa: A002  # as in Topic
    """The topic of `kind`, a key of `MESSAGES` or "infer", of a device or, if one is named, of a pool."""
    return "/".join(filter(None, (ROOT, f"{POOL}/{pool}" if pool else device, kind, model, id)))


def subscription(device: str = "+") -> str:
    """Filter that matches everything one device (or every device) says."""
    return f"{ROOT}/{device}/#"


def request_filters(device: str, pools: Iterable[str], models: Iterable[str]) -> list[str]:
    """Filters for all requests and commands to a device, and for its share of its pools', for the models it has."""
    models = list(models)
    shares = [f"$share/{pool}/{topic('', 'infer', model, '#', pool)}" for pool in pools for model in models]
    return [topic(device, "infer", "#"), topic(device, "cmd"), *shares]


def parse_topic(text: str) -> Topic | None:
    """The parts of one of our topics; None for any other."""
    root, *rest = text.split("/")
    if root != ROOT or not 2 <= len(rest) <= 5 or not all(rest):
        return None
    where = {"device": rest.pop(0)}
    if where["device"] == POOL:
        where = {"device": "", "pool": rest.pop(0)}
    kind, model, id_, *more = [*rest, "", "", ""]
    if not kind or any(more) or (id_ and kind not in _WITH_ID) or len(id_) > _MAX_ID:
        return None
    if "pool" in where and not (model and kind in _WITH_ID):
        return None
    return Topic(kind=kind, model=model, id=id_, **where)


def reply_topic(request: Topic, response_topic: str = "") -> str:
    """Where the answer to a request goes: to its response topic (MQTT 5), else to `reply` beside `infer`.

    A response topic among our own that is no `reply` is passed over: whoever may ask a device must not
    make it say what it never said.
    """
    of_ours = response_topic.partition("/")[0] == ROOT
    asked = parse_topic(response_topic) if of_ours else None
    admitted = asked is not None and asked.kind == "reply" if of_ours else bool(response_topic)
    if admitted and not set(response_topic) & set("+#\0") and not response_topic.startswith("$"):
        return response_topic
    return topic(request.device, "reply", request.model, request.id, request.pool)
