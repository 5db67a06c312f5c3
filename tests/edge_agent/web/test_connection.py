"""HTTP/1.1 itself: framing, order, refusals, bounds."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.support import TIMEOUT_S, wait_until
from tests.edge_agent.web.served import Served, request

INFER = "/v2/models/tiny/infer"
BODY = json.dumps(
    {"inputs": [{"name": "image", "shape": [1, 6, 6, 1], "datatype": "FP32", "data": [0.5] * 36}]}
).encode()


@pytest.fixture(scope="module")
def narrow(bundle: Path) -> Iterator[Served]:
    """A server with narrow bounds."""
    server = Served(bundle, "--max-body-mb", "0.05", "--max-waiting", "2")
    yield server
    server.stop()


def test_a_connection_is_kept_and_requests_in_a_pipeline_are_answered_in_order(served: Served) -> None:
    with served.connect() as client:
        client.send(request("POST", INFER, BODY) + request("GET", "/v2") + request("GET", "/v2/health/live"))
        answers = [client.answer() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert [next(iter(answer.json)) for answer in answers] == ["model_name", "name", "live"]
        client.send(request("GET", "/v2", Connection="close"))
        assert client.answer().headers["connection"] == "close"
        assert client.closed()


def test_a_request_may_come_byte_by_byte(served: Served) -> None:
    with served.connect() as client:
        for byte in request("GET", "/v2/health/live"):
            client.send(bytes([byte]))
        assert client.answer().json == {"live": True}


def test_a_chunked_body_is_a_body_and_its_trailers_are_no_headers(served: Served) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:]))
    head = request("POST", INFER, Transfer_Encoding="chunked")
    with served.connect() as client:
        client.send(head + chunks + b"0\r\nHost: elsewhere.example\r\n\r\n" + request("GET", "/v2"))
        assert client.answer().status == 200
        assert client.answer().json["name"] == "godwit"


def test_whoever_expects_100_continue_is_invited_or_refused_before_the_body(served: Served) -> None:
    with served.connect() as client:
        client.send(request("POST", INFER, Content_Length=str(len(BODY)), Expect="100-continue"))
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        client.send(BODY)
        assert client.answer().status == 200
        client.send(request("POST", INFER, Content_Length="99000000", Expect="100-continue"))
        assert client.answer().status == 413


def test_head_is_get_without_a_body(served: Served) -> None:
    with served.connect() as client:
        client.send(request("HEAD", "/v2") + request("GET", "/v2"))
        head, whole = client.answer(head_only=True), client.answer()
    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")


def test_http_1_0_is_answered_once(served: Served) -> None:
    with served.connect() as client:
        client.send(b"GET /v2/health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert client.answer().status == 200
        assert client.closed()


def test_a_client_that_closes_its_side_still_gets_its_answers(served: Served) -> None:
    with served.connect() as client:
        client.send(request("POST", INFER, BODY) + request("POST", INFER, BODY))
        client.half_close()
        assert [client.answer().status for _ in range(2)] == [200, 200]
        assert client.closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v2 HTTP/1.1\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /v2 HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (request("GET", "/" + "a" * 600_000), 431),
        (request("GET", "/v2", **{f"H{number}": "x" for number in range(80)}), 431),
        (request("GET", "/nix"), 404),
        (request("GET", "/v2/models/nix"), 404),
        (request("POST", "/v2/models/tiny/versions/9/infer", BODY), 404),
        (request("GET", INFER), 405),
        (request("PUT", "/v2", b"x"), 405),
        (request("GET", "/v2", b"x"), 413),
        (request("POST", INFER, b"x" * 17_000_000), 413),
        (request("POST", INFER, BODY, Content_Encoding="gzip"), 415),
        (request("POST", INFER, BODY, Inference_Header_Content_Length="-1"), 400),
        (request("POST", INFER, BODY, Inference_Header_Content_Length="99999"), 400),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason(served: Served, sent: bytes, status: int) -> None:
    with served.connect() as client:
        client.send(sent)
        answer = client.answer()
        assert (answer.status, list(answer.json)) == (status, ["error"])


def test_a_chunked_body_is_bounded_while_it_comes(narrow: Served) -> None:
    with narrow.connect() as client:
        client.send(request("POST", INFER, Transfer_Encoding="chunked") + b"11170\r\n" + b"x" * 70_000)
        assert client.answer().status == 413
        assert client.closed()


def test_more_than_may_wait_are_told_to_come_again(narrow: Served) -> None:
    narrow.tell("block")
    clients = [narrow.connect() for _ in range(3)]
    for client in clients[:2]:
        client.send(request("POST", INFER, BODY))
    wait_until(lambda: b"godwit_http_waiting 2" in narrow.ask("GET", "/metrics").body, "two that wait")
    clients[2].send(request("POST", INFER, BODY))
    refused = clients[2].answer()
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    narrow.tell("release")
    assert [client.answer().status for client in clients[:2]] == [200, 200]
    clients[2].send(request("POST", INFER, BODY))
    assert clients[2].answer().status == 200
    for client in clients:
        client.close()


def test_a_pipeline_is_bounded(narrow: Served) -> None:
    narrow.tell("block")
    with narrow.connect() as client:
        client.send(request("POST", INFER, BODY) + request("GET", "/v2/health/live") * 200)
        narrow.tell("release")
        statuses = [client.answer().status for _ in range(34)]
        assert statuses == [200] * 33 + [429]
        assert client.closed()


def test_bodies_are_bounded_all_together(narrow: Served) -> None:
    """Twice what one may have; no request here is whole, so none is waiting for the worker."""
    halves = [narrow.connect() for _ in range(3)]
    for client in halves:
        client.send(request("POST", INFER, Content_Length="49000") + b"x" * 40_000)
    readable, _, _ = select.select(halves, [], [], TIMEOUT_S)
    assert [client.answer().status for client in readable] == [429]
    for client in halves:
        client.close()


def test_connections_are_bounded(narrow: Served) -> None:
    clients = [narrow.connect() for _ in range(64)]
    for client in clients:
        client.send(request("GET", "/v2/health/live"))
        assert client.answer().status == 200
    with narrow.connect() as refused:
        assert refused.answer().status == 503
    for client in clients:
        client.close()
    wait_until(lambda: narrow.ask("GET", "/v2/health/live").status == 200, "room again")


def test_a_worker_that_dies_leaves_an_answer_behind(bundle: Path) -> None:
    served = Served(bundle)
    try:
        assert served.ask("POST", INFER, b"die").status == 503
        assert served.ask("POST", INFER, BODY).status == 503
        assert served.ask("GET", "/v2/health/live").status == 200
        assert served.ask("GET", "/v2/health/ready").status == 503
        assert served.ask("GET", "/v2/models/tiny/ready").status == 503
    finally:
        served.stop()
