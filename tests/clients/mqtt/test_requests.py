"""What comes in over MQTT is a request, or refused as malformed; nothing else happens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.mqtt import requests
from clients.mqtt.requests import READERS, Malformed, read
from clients.mqtt.topics import Topics
from session import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(sorted(READERS)), st.binary() | JSON.map(lambda v: json.dumps(v).encode()))
def test_any_payload_is_a_request_or_malformed(kind: str, payload: bytes) -> None:
    try:
        request = read(kind, payload)
    except Malformed:
        return
    assert isinstance(request, requests.Request)


def test_a_question_is_text_or_json() -> None:
    assert read("ask", b" what now? ") == wire.AskRequest(question="what now?")
    asked = read("ask", b'{"question": "and then?", "conversation": "none"}')
    assert asked == wire.AskRequest(question="and then?", conversation="none")


def test_an_empty_instruction_takes_it_away() -> None:
    assert read("instruction/set", b"") == requests.SetInstruction(None)


@pytest.mark.parametrize("payload", [b"true", b'"0.3"', b"null", b"[0.3]"])
def test_a_retention_is_a_number_and_nothing_that_could_be_read_as_one(payload: bytes) -> None:
    with pytest.raises(Malformed, match="must be a number, not"):
        read("retention/set", payload)
    assert read("retention/set", b"0.3") == requests.SetRetention(0.3)
    assert read("retention/set", b"1") == requests.SetRetention(1.0)


def test_an_empty_payload_is_told_what_its_topic_takes() -> None:
    for kind, right in requests.EMPTY.items():
        with pytest.raises(Malformed) as raised:
            read(kind, b" ")
        assert str(raised.value) == f"there is nothing in it: send {right}"


def test_the_field_at_fault_is_named() -> None:
    with pytest.raises(Malformed) as raised:
        read("watches/set", b'[{"query": "a dog", "threshold": 2}]')
    assert raised.value.param == "0.threshold"


def test_more_watches_than_a_session_has_are_refused_before_anything_is_changed() -> None:
    watches = [{"query": f"a dog {number}"} for number in range(65)]
    with pytest.raises(Malformed, match="at most 64 watches, not 65"):
        read("watches/set", json.dumps(watches).encode())
    assert isinstance(read("watches/set", json.dumps(watches[1:]).encode()), requests.SetWatches)


def test_queries_that_would_share_a_lamp_are_refused() -> None:
    watches = [{"query": "a red circle appears"}, {"query": "A red circle appears!"}]
    with pytest.raises(Malformed, match=r"have one topic \(a-red-circle-appears\)") as raised:
        read("watches/set", json.dumps(watches).encode())
    assert raised.value.param == "1.query"
    watches[1]["kind"] = "count"
    assert isinstance(read("watches/set", json.dumps(watches).encode()), requests.SetWatches)


@pytest.mark.parametrize(
    ("topic", "may"),
    [
        ("answers/me", True),
        ("es/kitchen/ask", False),
        ("es/available", False),
        ("homeassistant/status", False),
        ("$SYS/broker", False),
        ("answers/+", False),
        ("answers/#", False),
        ("", False),
    ],
)
def test_answers_go_only_where_nothing_is_commanded(topic: str, may: bool) -> None:
    assert Topics("es").answerable(topic) is may


def test_a_topic_names_its_session_and_what_is_asked() -> None:
    topics = Topics("home/es")
    assert requests.name_of(topics, "home/es/kitchen/watches/set") == ("kitchen", "watches/set")
    assert "home/es/+/watches/set" in requests.subscriptions(topics)
