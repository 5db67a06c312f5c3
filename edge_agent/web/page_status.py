"""What the page shows about the device: `GET /api/status`, and the event `status` of the live stream."""

from __future__ import annotations

import msgspec

from edge_agent.status import Status
from edge_agent.web.backend import Backend
from firmware_profiles import VERSION
from firmware_profiles.manifest import Model


class PageModel(msgspec.Struct, frozen=True):
    """One model.

    Attributes:
        kind: of its raw inputs.
        shape: of one raw input: [height, width] of an image, that of the tensor without its batch.
    """

    name: str
    task: str
    precision: str
    kind: str
    shape: list[int]


class PageStatus(msgspec.Struct, frozen=True):
    """Everything but predictions; what is not the status is as in `wire.Telemetry`."""

    agent: str
    status: Status
    temperature_c: float | None
    throttled: list[str]
    rate_factor: float
    worker_rss_bytes: int
    supervisor_rss_bytes: int
    models: list[PageModel]


def page_status(backend: Backend) -> PageStatus:
    """All of it, now."""
    telemetry = backend.telemetry()
    return PageStatus(
        VERSION,
        backend.status(),
        telemetry.temperature_c,
        telemetry.throttled,
        telemetry.rate_factor,
        telemetry.worker_rss_bytes,
        telemetry.supervisor_rss_bytes,
        [_model(model) for model in backend.manifest().models],
    )


def _model(model: Model) -> PageModel:
    pre = model.pre
    shape = [pre.height, pre.width] if pre.kind == "image" else list(model.inputs[0].shape[1:])
    return PageModel(model.name, model.task, model.precision, pre.kind, shape)
