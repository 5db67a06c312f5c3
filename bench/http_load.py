"""A light client for the Open Inference Protocol: requests made beforehand, raw sockets, no HTTP library."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_HZ = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What some clients saw.

    Attributes:
        p50_us, p95_us: from the request's first byte to the answer's last.
        per_s: answers of all clients.
        failed: answers that were not 200.
        cpu_us: processor time a request, by process.
    """

    p50_us: float
    p95_us: float
    per_s: float
    failed: int
    cpu_us: dict[str, float]


def binary(model: str, about: dict[str, Any], tensor: Any) -> bytes:
    """A request with the binary tensor extension, both ways."""
    (given,) = about["inputs"]
    raw = tensor.tobytes()
    described = {**given, "parameters": {"binary_data_size": len(raw)}}
    header = json.dumps({"inputs": [described], "parameters": {"binary_data_output": True}}).encode()
    return _request(model, header + raw, f"Inference-Header-Content-Length: {len(header)}\r\n")


def as_json(model: str, about: dict[str, Any], tensor: Any) -> bytes:
    """The same request in JSON."""
    (given,) = about["inputs"]
    return _request(model, json.dumps({"inputs": [{**given, "data": tensor.ravel().tolist()}]}).encode(), "")


def _request(model: str, body: bytes, headers: str) -> bytes:
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def run(port: int, request: bytes, clients: int, count: int, processes: Mapping[str, int]) -> Load:
    """Send `count` requests over `clients` connections, each with one request on its way."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    for connection in sockets:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    before = {name: _cpu_s(pid) for name, pid in processes.items()}
    began_s = time.perf_counter()
    took_s, failed = (_alone if clients == 1 else _together)(sockets, request, count)
    seconds = time.perf_counter() - began_s
    cpu_us = {name: (_cpu_s(pid) - before[name]) / count * 1e6 for name, pid in processes.items()}
    for connection in sockets:
        connection.close()
    p50_us, p95_us = np.percentile(np.array(took_s) * 1e6, (50, 95))
    return Load(float(p50_us), float(p95_us), count / seconds, failed, cpu_us)


def _alone(sockets: list[socket.socket], request: bytes, count: int) -> tuple[list[float], int]:
    (connection,) = sockets
    took_s: list[float] = []
    failed = 0
    for _ in range(count):
        began_s = time.perf_counter()
        connection.sendall(request)
        answer = connection.recv(1 << 16)
        while not _whole(answer):
            answer += connection.recv(1 << 16)
        took_s.append(time.perf_counter() - began_s)
        failed += not answer.startswith(b"HTTP/1.1 200 ")
    return took_s, failed


def _together(sockets: list[socket.socket], request: bytes, count: int) -> tuple[list[float], int]:
    poller = select.epoll()
    by_number = {connection.fileno(): connection for connection in sockets}
    began_s: dict[int, float] = {}
    answers = dict.fromkeys(by_number, b"")
    took_s: list[float] = []
    sent, failed = 0, 0
    for number, connection in by_number.items():
        poller.register(number, select.EPOLLIN)
        began_s[number] = time.perf_counter()
        connection.sendall(request)
        sent += 1
    while len(took_s) < count:
        for number, _ in poller.poll():
            answers[number] += by_number[number].recv(1 << 16)
            if not _whole(answers[number]):
                continue
            took_s.append(time.perf_counter() - began_s[number])
            failed += not answers[number].startswith(b"HTTP/1.1 200 ")
            answers[number] = b""
            if sent < count:
                began_s[number] = time.perf_counter()
                by_number[number].sendall(request)
                sent += 1
    return took_s, failed


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    _, _, rest = head.partition(b"Content-Length: ")
    return len(body) >= int(rest.partition(b"\r\n")[0])


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _HZ
