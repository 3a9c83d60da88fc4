"""What the events of a session become on the broker."""

from __future__ import annotations

import json
from typing import TypeGuard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.mqtt.discovery import device
from clients.mqtt.mapping import (
    EventMessage,
    Outgoing,
    Picture,
    SourceState,
    Story,
    key_of,
    source_message,
    standing,
    tell,
)
from clients.mqtt.topics import Message, Topics, slug
from session import wire
from tests.clients.mqtt.recorded import happened, info

TOPICS = Topics("es")
STORY = Story(name="kitchen", session="ses_1")


def told(events: list[wire.Event]) -> tuple[Story, Outgoing]:
    """The story after the events, and everything that was sent."""
    story, sent = STORY, Outgoing()
    for number, event in enumerate(events, 1):
        story, out = tell(TOPICS, story, number, event)
        sent += out
    return story, sent


def on(topic: str, sent: Outgoing) -> list[bytes]:
    return [m.payload for m in sent if isinstance(m, Message) and m.topic == topic]


CHANGES = st.lists(st.sampled_from(["update", "end"]), max_size=4).map(
    lambda changes: (
        ["new", *changes[: changes.index("end")], "end"] if "end" in changes else ["new", *changes]
    )
)


@given(st.lists(CHANGES, max_size=5), st.integers(0, 20))
def test_an_alert_for_each_beginning_and_end_whenever_it_was_broken_off(
    courses: list[list[str]], cut: int
) -> None:
    events: list[wire.Event] = [
        happened(number, change) for number, course in enumerate(courses) for change in course
    ]
    whole, sent = told(events)
    assert len(on("es/alerts", sent)) == sum(c != "update" for course in courses for c in course)
    keys = [json.loads(payload)["key"] for payload in on("es/events", sent)]
    assert len(keys) == len(set(keys)) == len(events)
    still_open = {f"wat_1.{n}" for n, course in enumerate(courses) if course[-1] != "end"}
    assert set(whole.open) == still_open
    story, _ = told(events[:cut])  # what a bridge keeps when it is stopped there
    story = Story.model_validate_json(story.model_dump_json())
    for number, event in enumerate(events[cut:], cut + 1):
        story, _ = tell(TOPICS, story, number, event)
    assert story == whole


def test_the_urgent_comes_first() -> None:
    _, out = tell(TOPICS, STORY, 7, happened(1, "new", snapshot="/v1/s.jpg"))
    kinds = [m.topic.removeprefix("es/") for m in out]
    assert kinds == [
        "alerts",
        "events",
        "kitchen/watch/a-red-circle-appears/state",
        "kitchen/snapshot",
    ]
    assert isinstance(out[-1], Picture)


def test_the_end_of_a_session_is_its_last_state() -> None:
    closed = wire.SessionClosed(session="ses_1", reason="the sender left")
    story, sent = told([wire.SessionCreated(session=info()), closed])
    state = json.loads(on("es/kitchen/state", sent)[-1])
    assert (state["state"], state["reason"]) == ("ended", "the sender left")
    assert story.closed
    story, _ = tell(TOPICS, story, 3, wire.SessionReopened(session=info()))
    assert not story.closed


def test_what_the_journal_has_no_room_for_is_told_apart_and_known_again() -> None:
    """Without a number: two updates of one event are two messages."""
    updates = [
        happened(1, "update").model_copy(update={"probability": probability})
        for probability in (0.9, 0.8, 0.9)
    ]
    first, second, again = (key_of("ses_1", None, event) for event in updates)
    assert first == again != second
    assert key_of("ses_1", 7, updates[0]) == "ses_1/7"
    _, out = tell(TOPICS, STORY, None, updates[0])
    (message,) = (EventMessage.model_validate_json(one.payload) for one in out if is_event(one))
    assert message.key == first


def is_event(one: Message | Picture) -> TypeGuard[Message]:
    return isinstance(one, Message) and one.topic == TOPICS.events


def test_state_is_retained_and_events_are_not() -> None:
    _, sent = told([wire.SessionCreated(session=info()), happened(1, "new")])
    retained = {m.topic for m in sent if isinstance(m, Message) and m.retain}
    assert "es/kitchen/state" in retained
    assert not retained & {"es/events", "es/alerts"}


def test_a_slug_is_a_level_of_a_topic_whatever_the_query() -> None:
    assert slug("A red circle appears!") == "a-red-circle-appears"
    for query in ("eine Tür", "#/+", "x" * 500, "\u2603"):
        assert set(slug(query)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 0 < len(slug(query)) <= 64
    assert slug("eine Tür") != slug("eine Tor")


@given(st.text())
def test_a_slug_never_breaks_a_topic(query: str) -> None:
    assert slug(query).isascii()
    assert not set(slug(query)) & set("/+#$")


def test_every_entity_of_a_device_has_an_id_of_its_own() -> None:
    story, _ = told([wire.SessionCreated(session=info())])
    described = json.loads(device(TOPICS, story).payload)
    ids = [entity["unique_id"] for entity in described["cmps"].values()]
    assert len(set(ids)) == len(ids) == 5
    assert all("p" in entity for entity in described["cmps"].values())
    assert described["avty_t"] == "es/available"


def lamp(sent: Outgoing) -> list[bytes]:
    return on("es/kitchen/watch/a-red-circle-appears/state", sent)


def test_a_lamp_is_lit_while_any_event_of_its_query_is_open() -> None:
    both = [happened(1, "new"), happened(2, "new"), happened(1, "end"), happened(2, "end")]
    assert lamp(told([*both])[1]) == [b"ON", b"ON", b"ON", b"OFF"]


def test_the_lamp_of_a_watch_that_is_gone_is_taken_away() -> None:
    set_twice: list[wire.Event] = [wire.WatchUpdated(watch=watch(id)) for id in ("wat_1", "wat_2")]
    one_left = [*set_twice, wire.WatchRemoved(watch="wat_1")]
    assert lamp(told(one_left)[1]) == [b"OFF", b"OFF"]
    story, sent = told([*one_left, wire.WatchRemoved(watch="wat_2")])
    assert lamp(sent) == [b"OFF", b"OFF", b""]
    gone = json.loads(device(TOPICS, story).payload)["cmps"]["watch_a-red-circle-appears"]
    assert gone == {"p": "binary_sensor"}  # how Home Assistant is told that an entity is no more
    story, _ = tell(TOPICS, story, 9, wire.WatchUpdated(watch=watch("wat_3")))
    assert not story.removed
    assert "unique_id" in json.loads(device(TOPICS, story).payload)["cmps"].popitem()[1]


def test_a_broker_that_lost_everything_is_told_all_that_is_retained() -> None:
    events = [
        wire.SessionCreated(session=info()),
        wire.WatchUpdated(watch=watch("wat_1")),
        happened(1, "new"),
        happened(1, "update"),
        wire.WatchUpdated(watch=counter("wat_2")),
        counted(3, None).model_copy(update={"watch": "wat_2"}),
        wire.WatchUpdated(watch=watch("wat_3").model_copy(update={"query": "a cat"})),
        wire.WatchRemoved(watch="wat_3"),
    ]
    story, sent = told(events)
    retained = {m.topic: m for m in sent if isinstance(m, Message) and m.retain}
    again = {m.topic: m for m in standing(TOPICS, story)}
    assert again == retained


@pytest.mark.parametrize("key", ["state", "source", "instruction", "retention", "snapshot"])
def test_what_home_assistant_is_told_to_listen_to_is_what_is_sent(key: str) -> None:
    story, sent = told([wire.SessionCreated(session=info())])
    sent += [source_message(TOPICS, "kitchen", SourceState(status="up", since=0.0))]
    entity = json.loads(device(TOPICS, story).payload)["cmps"][key]
    topic = entity.get("stat_t", entity.get("image_topic"))
    if key == "snapshot":
        assert topic == "es/kitchen/snapshot"
        return
    (payload,) = on(topic, sent)
    match key:
        case "state":
            assert json.loads(payload)["state"] in entity["ops"]
            assert (entity["dev_cla"], entity["val_tpl"]) == ("enum", "{{ value_json.state }}")
        case "source":
            assert json.loads(payload)["status"] == entity["pl_on"]
            assert entity["dev_cla"] == "connectivity"
        case "retention":
            assert entity["min"] <= float(payload) <= entity["max"]
        case "instruction":
            assert entity["max"] == 255
            assert entity["val_tpl"] == "{{ value[:255] }}"


# --- Counters -------------------------------------------------------------------------------------

NUMBER = "es/kitchen/count/red-things/state"


def counter(id: str) -> wire.Watch:
    return watch(id).model_copy(update={"kind": "count", "query": "red things"})


def counted(number: int, before: int | None) -> wire.WatchCounted:
    return wire.WatchCounted(
        id=f"wat_1.{number}",
        watch="wat_1",
        query="red things",
        count=number,
        before=before,
        end_s=2.0 * number,
        probability=0.9,
    )


def test_the_newest_number_of_a_counter_is_retained_and_every_one_is_told() -> None:
    _, sent = told([wire.WatchUpdated(watch=counter("wat_1")), counted(1, None), counted(2, 1)])
    assert on(NUMBER, sent) == [b"1", b"2"]
    assert all(m.retain for m in sent if isinstance(m, Message) and m.topic == NUMBER)
    changes = [json.loads(payload) for payload in on("es/kitchen/counts", sent)]
    assert [(one["before"], one["count"]) for one in changes] == [(None, 1), (1, 2)]
    assert not on("es/kitchen/watch/red-things/state", sent)  # it has no lamp


def test_the_number_of_a_counter_that_is_gone_is_taken_away() -> None:
    story, sent = told(
        [
            wire.WatchUpdated(watch=counter("wat_1")),
            counted(1, None),
            wire.WatchRemoved(watch="wat_1"),
        ]
    )
    assert on(NUMBER, sent) == [b"1", b""]
    gone = json.loads(device(TOPICS, story).payload)["cmps"]["count_red-things"]
    assert gone == {"p": "sensor"}


def test_a_counter_is_a_sensor_of_home_assistant_beside_a_lamp_of_the_same_words() -> None:
    same = counter("wat_1").model_copy(update={"query": "a red circle appears"})
    story, sent = told([wire.WatchUpdated(watch=same), wire.WatchUpdated(watch=watch("wat_2"))])
    entities = json.loads(device(TOPICS, story).payload)["cmps"]
    number = entities["count_a-red-circle-appears"]
    assert number["p"] == "sensor"
    assert number["stat_t"] == "es/kitchen/count/a-red-circle-appears/state"
    assert number["stat_cla"] == "measurement"
    assert entities["watch_a-red-circle-appears"]["p"] == "binary_sensor"
    assert lamp(sent) == [b"OFF"]


def watch(id: str) -> wire.Watch:
    return wire.Watch(
        id=id,
        session="ses_1",
        query="a red circle appears",
        question="is there a red circle now?",
        threshold=0.6,
        release=0.4,
        min_s=0.0,
        cooldown_s=0.0,
        update_s=10.0,
        quiet=[],
        describe=False,
        snapshot=False,
        state="waiting",
        probability=None,
        answered=None,
        judged_s=None,
        events=0,
    )
