"""The wire: topics and messages are read back as they were said, and nothing else is."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles import results, topics, wire
from firmware_profiles.words import NAME_PATTERN

NAMES = st.from_regex(re.compile(NAME_PATTERN), fullmatch=True)
HEADER: dict[str, Any] = {
    "seq": 7,
    "spool": "0a1b2c3d",
    "boot": "deadbeef",
    "uptime_ms": 12345,
    "time": datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc),
    "clock_trusted": True,
}
USED = wire.RuntimeInUse("onnx", "cpu", "1.32.0", None, None, [wire.SkippedRuntime("onnx", "cuda", "no GPU")])
MESSAGES = {
    "prediction": wire.Prediction(
        **HEADER,
        model="pets",
        version="1.0",
        input=results.Input("replay", 3),
        latency_ms=1.5,
        result=results.Classification([results.ClassScore(1, "dog", 0.75)]),
    ),
    "telemetry": wire.Telemetry(
        **HEADER,
        predictions=1,
        latency_p50_ms=None,
        latency_p95_ms=2.0,
        worker_rss_bytes=1,
        supervisor_rss_bytes=1,
        spool_messages=0,
        spool_bytes=0,
        dropped={"telemetry": 2},
        temperature_c=None,
    ),
    "event": wire.Event(
        **HEADER, name="started", severity="info", text="the agent started", input=results.Input("d", "a.png")
    ),
    "status": wire.Status("online", HEADER["time"]),
    "info": wire.Info(device="d", agent="0.1.0", profile="p", deployment="pets", version="1", models={"pets": USED}),
    "reply": wire.Reply(device="d", model="pets", version="1", error="a picture of 3 bytes"),
    "cmd": wire.Command("update"),
    "identity": wire.CertificateRequest(csr="-----BEGIN CERTIFICATE REQUEST-----\n", certificate="", proof=""),
    "certificate": wire.Certificate("-----BEGIN CERTIFICATE-----\n"),
}


DEVICES = NAMES.filter(lambda name: name != topics.POOL)


@given(DEVICES, st.sampled_from(["status", "info", "event", "telemetry", "prediction"]), NAMES | st.just(""))
def test_a_topic_is_read_back(device: str, kind: str, model: str) -> None:
    text = topics.topic(device, kind, model)
    assert topics.parse_topic(text) == topics.Topic(device, kind, model)
    assert not set(text) & set("+#\n\0 ")


@given(DEVICES, NAMES | st.just(""), st.sampled_from(["infer", "reply"]), NAMES, NAMES | st.just(""))
def test_a_topic_of_requests_is_read_back(device: str, pool: str, kind: str, model: str, id_: str) -> None:
    said = topics.Topic("" if pool else device, kind, model, id_, pool)
    assert topics.parse_topic(topics.topic(*said)) == said


def test_a_request_is_answered_beside_it_unless_it_says_where() -> None:
    asked = topics.Topic("d", "infer", "pets", "7")
    pooled = topics.Topic("", "infer", "pets", pool="line-3")
    assert topics.reply_topic(asked) == "godwit/d/reply/pets/7"
    assert topics.reply_topic(pooled) == "godwit/pool/line-3/reply/pets"
    assert topics.reply_topic(asked, "desk/answers") == "desk/answers"
    assert topics.reply_topic(pooled, "godwit/pool/line-3/reply/pets/x") == "godwit/pool/line-3/reply/pets/x"


@pytest.mark.parametrize(
    "text", ["godwit/d/status", "godwit/other/prediction/pets", "godwit", "godwit/d/infer/pets", "a/+", "a/#", "$SYS/a"]
)
def test_no_request_makes_a_device_say_what_is_no_answer(text: str) -> None:
    assert topics.reply_topic(topics.Topic("d", "infer", "pets"), text) == "godwit/d/reply/pets"


@given(st.text())
def test_an_answer_goes_to_a_topic_that_may_be_published_to(text: str) -> None:
    topic = topics.reply_topic(topics.Topic("d", "infer", "pets"), text)
    assert topic
    assert not set(topic) & set("+#\0")


def test_requests_are_heard_from_the_device_and_its_pools() -> None:
    assert topics.request_filters("d", ["a", "b"], ["m"]) == [
        "godwit/d/infer/#",
        "godwit/d/cmd",
        "$share/a/godwit/pool/a/infer/m/#",
        "$share/b/godwit/pool/b/infer/m/#",
    ]


@given(st.text(alphabet="godwit/+#a", max_size=20) | st.text())
def test_only_our_topics_are_read(text: str) -> None:
    parsed = topics.parse_topic(text)
    assert parsed is None or topics.topic(*parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "godwit",
        "godwit/d",
        "godwit//status",
        "godwit/d/",
        "other/d/status",
        "godwit/a/b/c/d",
        "godwit/a/infer/m/1/2",
        "godwit/pool/p",
        "godwit/pool/p/infer",
        "godwit/pool/p/status/m",
        "godwit/a/infer/m/" + "x" * 129,
    ],
)
def test_topics_that_are_not_ours(text: str) -> None:
    assert topics.parse_topic(text) is None


def test_a_subscription_is_for_one_device_or_all() -> None:
    assert topics.subscription("pi") == "godwit/pi/#"
    assert topics.subscription() == "godwit/+/#"


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_a_message_is_read_back(kind: str) -> None:
    assert wire.decode(kind, wire.encode(MESSAGES[kind])) == MESSAGES[kind]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_a_regression_is_read_back_to_the_last_bit(values: list[float]) -> None:
    said = msgspec.structs.replace(MESSAGES["prediction"], result=results.Regression(values))
    assert wire.decode("prediction", wire.encode(said)) == said


def test_an_unknown_key_is_left_for_later_versions() -> None:
    raw = wire.encode(MESSAGES["status"])
    assert wire.decode("status", raw[:-1] + b',"mood":"calm"}') == MESSAGES["status"]


DEEP = b'{"later": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize("kind", sorted(MESSAGES))
@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b'{"state": "\xff"}', DEEP], ids=range(5))
def test_a_hostile_payload_is_a_value_error(kind: str, raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgspec's errors are ValueErrors of many texts
        wire.decode(kind, raw)


@given(st.sampled_from([*sorted(MESSAGES), "other", ""]), st.binary(max_size=200))
def test_any_other_payload_is_a_value_error(kind: str, raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # as above
        wire.decode(kind, raw)


def test_a_message_of_more_than_1_mib_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="at most 1048576 are read"):
        wire.decode("status", wire.encode(MESSAGES["status"]).ljust(wire.MAX_MESSAGE_BYTES + 1))


def test_an_unknown_kind_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no message is called 'other'"):
        wire.decode("other", b"{}")


def test_classes_are_the_topics_that_are_spooled() -> None:
    assert set(wire.CLASSES) < set(MESSAGES)


DETECTION = results.Detection(0, "person", 0.5, results.Box(1, 2, 3, 4))
RESULTS = [
    results.Classification([]),
    results.Regression([1.0], ["t"], ["°C"]),
    results.Detections([msgspec.structs.replace(DETECTION, then={"face": results.Detections([DETECTION])})]),
    results.Segmentation([results.ClassShare(0, "sky", 1.0)]),
    results.Anomaly(0.5, None),
    results.Embedding([0.5]),
    results.Raw([results.RawTensor("y", [1, 1], [0.5])]),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_every_result_survives(result: results.Result) -> None:
    said = msgspec.structs.replace(MESSAGES["prediction"], result=result)
    assert wire.decode("prediction", wire.encode(said)) == said


def test_results_in_results_without_end_are_no_message() -> None:
    raw = wire.encode(msgspec.structs.replace(MESSAGES["prediction"], result=results.Detections([DETECTION])))
    inner = b'"then":{"m":{"task":"detection","objects":[{"index":0,"label":"","score":0,'
    inner += b'"box":{"left":0,"top":0,"right":0,"bottom":0},'
    deep = raw.replace(b'"box"', inner * 5000 + b'"then":{}' + b"}]}}" * 5000 + b',"box"')
    assert len(deep) < wire.MAX_MESSAGE_BYTES
    with pytest.raises(ValueError, match="nested too deep"):
        wire.decode("prediction", deep)
