"""`/metrics`: what Prometheus reads, in its text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from edge_agent.status import Status
from edge_agent.web.backend import Backend
from firmware_profiles import VERSION
from firmware_profiles.wire import Telemetry

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[Mapping[str, str], float]


class _Metric(NamedTuple):
    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: Iterable[Sample]


class HttpCounts(NamedTuple):
    """What the server itself counts.

    Attributes:
        responses: by status.
        waiting: inferences that the worker has not answered yet.
    """

    responses: Mapping[int, int]
    waiting: int
    connections: int


def text(backend: Backend, http: HttpCounts) -> bytes:
    """All metrics, now."""
    lines: list[str] = []
    for metric in (*_agent(backend), *_server(http)):
        samples = [(labels, value) for labels, value in metric.samples]
        if samples:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{metric.name}{_labels(labels)} {value:.17g}" for labels, value in samples]
    return ("\n".join(lines) + "\n").encode()


def _agent(backend: Backend) -> Iterator[_Metric]:
    status, telemetry, counts = backend.status(), backend.telemetry(), backend.counts()
    about = {"device": status.device, "agent": VERSION, "profile": status.profile}
    deployed = {"deployment": status.deployment, "version": status.version}
    yield _Metric("godwit_info", "gauge", "What this device runs.", [({**about, **deployed}, 1)])
    yield _gauge("godwit_ready", "1 while the model is proved and answers.", status.state == "running")
    yield _gauge("godwit_mqtt_connected", "1 while a broker is connected.", status.connected)
    yield _counter("godwit_predictions_total", "Predictions since the agent started.", status.predictions)
    yield from _models(status)
    yield from _latency(status)
    yield from _spool(status, telemetry)
    yield from _machine(telemetry)
    events = [({"name": name}, count) for name, count in sorted(counts.events.items())]
    yield _Metric("godwit_events_total", "counter", "Events since the agent started.", events)
    yield _counter("godwit_worker_restarts_total", "Workers that died.", counts.worker_restarts)


def _models(status: Status) -> Iterator[_Metric]:
    used = status.models.items()
    runtimes = [
        ({"model": name, "runtime": use.runtime, "delegate": use.delegate, "version": use.version}, 1)
        for name, use in used
    ]
    yield _Metric("godwit_runtime_info", "gauge", "What runs a model.", runtimes)
    for name, help_, field in (
        ("godwit_model_nodes", "Nodes of a model.", "nodes"),
        ("godwit_model_delegated_nodes", "Nodes that the delegate took.", "delegated_nodes"),
    ):
        known = [({"model": model}, value) for model, use in used if (value := getattr(use, field)) is not None]
        yield _Metric(name, "gauge", help_, known)


def _latency(status: Status) -> Iterator[_Metric]:
    for name, value_ms in (("p50", status.latency_p50_ms), ("p95", status.latency_p95_ms)):
        if value_ms is not None:
            yield _gauge(f"godwit_prediction_latency_{name}_seconds", "Of the most recent predictions.", value_ms / 1e3)


def _spool(status: Status, telemetry: Telemetry) -> Iterator[_Metric]:
    yield _gauge("godwit_spool_messages", "Messages that no broker has acknowledged yet.", status.spool_messages)
    yield _gauge("godwit_spool_size_bytes", "Size of those messages.", status.spool_bytes)
    for why, counts in (("dropped", telemetry.dropped), ("expired", telemetry.expired)):
        samples = [({"class": kind}, count) for kind, count in sorted(counts.items())]
        yield _Metric(f"godwit_{why}_messages_total", "counter", f"Messages that the spool let go: {why}.", samples)


def _machine(telemetry: Telemetry) -> Iterator[_Metric]:
    memory = {"worker": telemetry.worker_rss_bytes, "supervisor": telemetry.supervisor_rss_bytes}
    resident = [({"process": name}, size) for name, size in memory.items()]
    yield _Metric("godwit_resident_memory_bytes", "gauge", "Resident memory of the agent's processes.", resident)
    throttled = [({"cause": cause}, 1) for cause in telemetry.throttled]
    yield _Metric("godwit_throttled", "gauge", "What slows the device down right now.", throttled)
    for name, help_, value in (
        ("godwit_temperature_celsius", "By the profile's sensor.", telemetry.temperature_c),
        ("godwit_power_watts", "By the profile's sensor.", telemetry.power_w),
        ("godwit_cpu_busy_percent", "Of all cores.", telemetry.cpu_percent),
        ("godwit_memory_available_bytes", "Of the whole device.", telemetry.memory_available_bytes),
        ("godwit_disk_free_bytes", "Where the spool is.", telemetry.disk_free_bytes),
        ("godwit_rate_factor", "What is left of the sources' rate in the heat.", telemetry.rate_factor),
    ):
        if value is not None:
            yield _gauge(name, help_, value)


def _server(http: HttpCounts) -> Iterator[_Metric]:
    responses = [({"code": str(code)}, count) for code, count in sorted(http.responses.items())]
    yield _Metric("godwit_http_responses_total", "counter", "HTTP responses by status.", responses)
    yield _gauge("godwit_http_waiting", "Inferences over HTTP that wait for the worker.", http.waiting)
    yield _gauge("godwit_http_connections", "Open HTTP connections.", http.connections)


def _gauge(name: str, help_: str, value: float) -> _Metric:
    return _Metric(name, "gauge", help_, [({}, value)])


def _counter(name: str, help_: str, value: float) -> _Metric:
    return _Metric(name, "counter", help_, [({}, value)])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"
