"""What does not fit together is found in tables that are wrong elsewhere, whatever they hold."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clients.monitor.misfits import misfits

TEXTS = st.sampled_from(["yard", "bot", "0.0.0.0", "7:00"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(0.0, 1.0) | TEXTS
TABLES = st.sampled_from(["source", "watch", "bots", "service", "mqtt", "webhook"])
KEYS = st.sampled_from(
    [
        "name",
        "kind",
        "sources",
        "query",
        "secret_env",
        "host",
        "release",
        "quiet",
        "start",
        "end",
        "tls",
    ]
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@given(st.dictionaries(TABLES, ANYTHING))
def test_tables_of_any_form_are_read_as_far_as_they_go(tables: dict[str, Any]) -> None:
    assert all(said and keys[0] in tables for keys, said in misfits(tables))


def test_every_misfit_is_told() -> None:
    yard = {"kind": "bot", "name": "yard"}
    tables = {
        "source": [yard, yard, {"kind": "bot", "name": "door", "secret_env": "DOOR"}],
        "watch": [{"sources": ["cellar", "yard", "attic"]}],
        "bots": {"host": "0.0.0.0"},
    }
    assert [".".join(keys) for keys, _ in misfits(tables)] == [
        "source.1.name",
        "watch.0.sources",
        "watch.0.sources",
        "bots.host",
        "bots.host",
    ]


def test_bots_need_no_secret_where_only_this_machine_reaches_them() -> None:
    for bots in ({}, {"host": "127.0.0.1"}, {"host": "::1"}):
        tables = {"source": [{"kind": "bot", "name": "yard"}], "bots": bots}
        assert not list(misfits(tables))


def test_a_room_is_watched_once_and_a_receiver_is_told_once() -> None:
    tables: dict[str, Any] = {
        "source": [
            {"kind": "room", "name": "yard", "room": "garden"},
            {"kind": "room", "name": "garden"},
            {"kind": "media", "name": "door"},
            {"kind": "room", "name": "hall", "room": "door"},
            {"kind": "room", "name": "attic", "room": "attic"},
        ],
        "webhook": [
            {"url": url, "secret_env": "S"} for url in ("http://a", "http://b", "http://a")
        ],
    }
    assert [(".".join(keys), said) for keys, said in misfits(tables)] == [
        ("source.1.name", "the room garden is watched as yard already"),
        ("source.3.room", "the room door is watched as door already"),
        ("webhook.2.url", "this receiver stands more than once"),
    ]


def test_a_query_stands_once_for_a_source() -> None:
    names = ("yard", "door", "hall")
    tables: dict[str, Any] = {
        "source": [{"kind": "room", "name": name} for name in names],
        "watch": [
            {"query": "a dog", "sources": ["yard"]},
            {"query": "a dog", "sources": ["door"]},
            {"query": "a dog", "kind": "count"},
            {"query": "a dog", "sources": ["hall", "yard"]},
            {"query": "a dog"},
            {"query": "a dog", "sources": ["hall"]},
        ],
    }
    for more in ({}, {"mqtt": {"host": "broker"}}):
        found = [(".".join(keys), said) for keys, said in misfits({**tables, **more})]
        said = "'a dog' stands more than once for one source"
        assert found == [(f"watch.{place}.query", said) for place in (3, 4, 5)]


def test_a_file_of_any_length_is_looked_through_in_one_go() -> None:
    many = 20_000
    tables: dict[str, Any] = {
        "source": [{"kind": "room", "name": f"yard-{place}"} for place in range(many)],
        "watch": [{"query": f"a dog {n}", "sources": [f"yard-{n}"]} for n in range(many)],
        "mqtt": {"host": "broker"},
    }
    began_s = time.process_time()
    assert not list(misfits(tables))
    assert time.process_time() - began_s < 10.0  # one or two; in pairs it took minutes


def test_queries_that_differ_in_case_and_signs_alone_have_one_lamp_and_do_not_fit() -> None:
    yard, door = {"kind": "room", "name": "yard"}, {"kind": "room", "name": "door"}
    watches = [
        {"query": "a dog", "sources": ["yard"]},
        {"query": "A dog!", "sources": ["door"]},
        {"query": "A dog?", "kind": "count"},
        {"query": "a  dog."},
    ]
    tables: dict[str, Any] = {"source": [yard, door], "watch": watches}
    assert not list(misfits(tables))  # without a broker there are no lamps
    ((keys, said),) = misfits({**tables, "mqtt": {"host": "broker"}})
    assert ".".join(keys) == "watch.3.query"
    assert said == "'a  dog.' and 'a dog' have one topic (a-dog): word one of them otherwise"
