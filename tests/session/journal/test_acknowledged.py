"""What is changed is acknowledged once it is on file, so that a kill cannot take it back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from session.journal.journal import Job
from tests.session.conftest import House
from tests.session.realtime.test_talk import call

SOON_S = 0.2  # for what must not happen
QUERY = {"query": "is it there since 0"}


@contextmanager
def held_up(house: House) -> Iterator[None]:
    """Nothing comes on file while the block runs."""
    release = threading.Event()
    journal = house.app.state.service.shelf.journal
    journal.put(Job(lambda _: release.wait(30), lambda *_: None))
    try:
        yield
    finally:
        release.set()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"retention": 0.1}),
        ("POST", "/watches", QUERY),
        ("PATCH", "/watches/{watch}", {"threshold": 0.7}),
        ("DELETE", "/watches/{watch}", None),
        ("PATCH", "/notes", {"every_s": 60.0}),
    ],
)
async def test_over_http(house: House, method: str, path: str, body: object) -> None:
    session, _ = await house.join()
    made = await house.http.post(f"/v1/sessions/{session}/watches", json=QUERY)
    address = f"/v1/sessions/{session}" + path.format(watch=made.json()["id"])
    with held_up(house):
        changing = asyncio.create_task(house.http.request(method, address, json=body))
        await asyncio.wait({changing}, timeout=SOON_S)
        assert not changing.done()
    assert (await changing).is_success


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ({"type": "session.update", "session": {"x": {"retention": 0.1}}}, "session.updated"),
        ({"type": "x.watch.create", "watch": QUERY}, "x.watch.created"),
        ({"type": "x.notes.update", "notes": {"every_s": 60.0}}, "x.notes.updated"),
    ],
)
async def test_over_the_channel(house: House, said: dict[str, object], reply: str) -> None:
    session, phone = await call(house)
    await house.manager.get(session).hub.told()  # that it is live
    while not phone.idle:
        await phone.hear("session.updated")
    with held_up(house):
        phone.say(**said)
        hearing = asyncio.create_task(phone.hear(reply))
        await asyncio.wait({hearing}, timeout=SOON_S)
        assert not hearing.done()
    await hearing
