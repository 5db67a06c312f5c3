"""A hostile network: what it can waste is bounded, and what went wrong is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.ota import refreshing
from edge_agent.ota.http import HttpCarrier, Patience
from edge_agent.ota.refreshing import choose
from firmware_profiles.errors import InputError, TrustError, UnavailableError
from firmware_profiles.targets import Offer
from tests.edge_agent.ota import hostile
from tests.edge_agent.ota.hostile import Handler, Server, Trick, serving
from tests.edge_agent.ota.signing import Device, Repository

CONTENT = bytes(range(256)) * 400
HASTY = Patience(answer_s=0.4, slowest_bytes_per_s=500_000)
HALF = len(CONTENT) // 2


@pytest.fixture
def server(repository: Repository) -> Iterator[Server]:
    repository.add(CONTENT)
    with serving(repository.folder) as running:
        yield running


@pytest.fixture
def carrier(server: Server) -> HttpCarrier:
    return HttpCarrier(server.url, patience=HASTY)


def offer(device: Device, carrier: HttpCarrier) -> Offer:
    found = choose(refreshing.refresh(device.root, carrier, device.reference), "raspberry-pi-5", "default")
    assert found is not None
    return found


def test_a_repository_over_http(device: Device, carrier: HttpCarrier, tmp_path: Path) -> None:
    found = offer(device, carrier)
    carrier.fetch(found.path, found.size_bytes, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_what_an_eavesdropper_learns(device: Device, server: Server, carrier: HttpCarrier, tmp_path: Path) -> None:
    found = offer(device, carrier)
    carrier.fetch(found.path, found.size_bytes, tmp_path / "target")
    expected = [f"metadata/{name}.json" for name in ("2.root", "timestamp", "2.snapshot", "2.targets")]
    assert server.paths() == [*expected, found.path]
    told = {name: value for _, headers in server.asked for name, value in headers.items() if name != "Host"}
    assert told == {"User-Agent": "godwit", "Accept-Encoding": "identity", "Connection": "close"}


TRICKS: dict[Trick, str] = {
    hostile.page: "found a web page, as a captive portal shows; sign in to the network",
    hostile.page_without_type: "found a web page, as a captive portal shows",
    hostile.sign_in: "found a web page, as a captive portal shows",
    hostile.dropped: "expected an answer, found remote end closed connection",
    hostile.dies_halfway: "found the end after ",
    hostile.dies_in_its_head: "",
    hostile.endless: "bytes, found more",
    hostile.trickles: ": too slow",
    hostile.trickles_its_head: "expected an answer, found nothing in time",
    hostile.silent: "expected an answer, found timed out",
    hostile.too_many_headers: "expected an answer, found got more than 100 headers",
    hostile.nonsense: "expected an answer, found ",
    hostile.fails: "expected the file, found status 500",
}


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_trick_with_metadata_is_named_and_nothing_changes(
    device: Device, repository: Repository, server: Server, carrier: HttpCarrier, trick: Trick
) -> None:
    offer(device, carrier)
    before = device.kept()
    repository.next_root()
    repository.next_root()
    repository.publish()
    server.tricks[".json"] = trick
    with pytest.raises(UnavailableError) as refused:
        offer(device, carrier)
    assert TRICKS[trick] in str(refused.value)
    server.tricks = {"timestamp.json": trick}
    with pytest.raises(UnavailableError):
        offer(device, carrier)
    server.tricks = {}
    after = device.kept()
    assert after["targets.json"] == before["targets.json"]
    assert offer(device, carrier).size_bytes == len(CONTENT)


def test_a_portal_that_everybody_is_sent_to(device: Device, server: Server, carrier: HttpCarrier) -> None:
    server.tricks |= {".json": hostile.to_a_portal, "portal": hostile.page}
    with pytest.raises(UnavailableError, match="as a captive portal shows"):
        offer(device, carrier)


# A page that does not say so is seen by its hash only, as any other wrong bytes are.
@pytest.mark.parametrize(
    "trick", [trick for trick in TRICKS if trick is not hostile.page_without_type], ids=lambda trick: trick.__name__
)
def test_a_trick_with_a_target_is_named_and_the_next_time_goes_on(
    device: Device, server: Server, carrier: HttpCarrier, tmp_path: Path, trick: Trick
) -> None:
    found = offer(device, carrier)
    into = tmp_path / "target"
    server.tricks[".godwit"] = trick
    with pytest.raises(UnavailableError) as refused:
        carrier.fetch(found.path, found.size_bytes, into)
    assert TRICKS[trick] in str(refused.value)
    came = into.stat().st_size
    assert came <= found.size_bytes
    server.tricks.clear()
    if trick is hostile.endless:
        into.unlink()  # as the updater does with what has a wrong hash
    carrier.fetch(found.path, found.size_bytes, into)
    assert into.read_bytes() == CONTENT
    if trick in (hostile.dies_halfway, hostile.trickles):
        assert server.asked[-1][1]["Range"] == f"bytes={came}-"
        assert came > 0


def test_a_server_without_ranges_sends_all_of_it(
    device: Device, server: Server, carrier: HttpCarrier, tmp_path: Path
) -> None:
    found = offer(device, carrier)
    into = tmp_path / "target"
    into.write_bytes(CONTENT[:HALF])
    server.tricks[".godwit"] = lambda handler, content: handler.honest(content, ranges=False)
    carrier.fetch(found.path, found.size_bytes, into)
    assert into.read_bytes() == CONTENT


def test_another_part_than_was_asked_for(device: Device, server: Server, carrier: HttpCarrier, tmp_path: Path) -> None:
    def elsewhere(handler: Handler, content: bytes) -> None:
        handler.answer(206, content[:HALF], {"Content-Range": f"bytes 0-{HALF - 1}/{len(content)}"})

    found = offer(device, carrier)
    into = tmp_path / "target"
    into.write_bytes(CONTENT[:HALF])
    server.tricks[".godwit"] = elsewhere
    with pytest.raises(UnavailableError, match=f"expected bytes from {HALF} on, found bytes from 0 on"):
        carrier.fetch(found.path, found.size_bytes, into)
    assert into.read_bytes() == CONTENT[:HALF]


def test_what_is_whole_is_not_asked_for_and_what_is_too_long_begins_anew(
    device: Device, server: Server, carrier: HttpCarrier, tmp_path: Path
) -> None:
    found = offer(device, carrier)
    into = tmp_path / "target"
    into.write_bytes(CONTENT + b"more")
    carrier.fetch(found.path, found.size_bytes, into)
    assert into.read_bytes() == CONTENT
    asked = len(server.asked)
    carrier.fetch(found.path, found.size_bytes, into)
    assert len(server.asked) == asked


def test_a_root_that_is_held_back_is_found_out_when_the_rest_expires(
    device: Device, repository: Repository, server: Server, carrier: HttpCarrier
) -> None:
    repository.rekey("timestamp")
    repository.next_root()
    repository.publish()
    server.tricks["2.root.json"] = lambda handler, content: handler.answer(404, b"", {})
    with pytest.raises(TrustError, match=r"timestamp.json: expected signatures"):
        offer(device, carrier)


@pytest.mark.parametrize("url", ["ftp://h/r", "http://", "http://h:99999/", "https://h/a b", "h", "http://[::1"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="expected a URL such as https://"):
        HttpCarrier(url)


def test_a_folder_to_write_to_that_is_none(device: Device, carrier: HttpCarrier, tmp_path: Path) -> None:
    found = offer(device, carrier)
    with pytest.raises(UnavailableError, match="expected a file to write to, found no such file or directory"):
        carrier.fetch(found.path, found.size_bytes, tmp_path / "none" / "target")


def test_nobody_is_there(device: Device, server: Server, carrier: HttpCarrier) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(UnavailableError, match="expected an answer, found connection refused; check the network"):
        offer(device, carrier)
