"""Mutated requests against a real server: whatever comes, it answers in HTTP or closes, and lives on."""

from __future__ import annotations

import contextlib
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge_agent.web.served import Served, request
from tests.edge_agent.web.test_connection import BODY, INFER

WHOLE = (
    request("POST", INFER, BODY)
    + request("GET", "/v2/models/tiny")
    + request("POST", INFER, Transfer_Encoding="chunked")
    + b"5\r\n{}   \r\n0\r\n\r\n"
    + request("HEAD", "/metrics", Expect="100-continue")
)
CHANGES = st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 40), st.binary(max_size=12)), max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, st.integers(1, 2000))
def test_noise_is_answered_in_http(served: Served, changes: list[tuple[int, int, bytes]], size: int) -> None:
    sent = WHOLE
    for at, left_out, put_in in changes:
        sent = sent[:at] + put_in + sent[at + left_out :]
    with served.connect() as client:
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(sent), size):
                client.send(sent[at : at + size])
            client.half_close()
            client.closed()
        assert re.match(rb"(HTTP/1\.1 [1-5]\d\d |\Z)", client.received)
    assert served.ask("GET", "/v2/health/live").status == 200
