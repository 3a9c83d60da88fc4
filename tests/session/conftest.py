"""A running service around a fake engine, and a client of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI

from session import wire
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.journal.events import Past
from session.roster.manager import Manager
from tests.session.fakes import Exchange, FakeEngine, FakePeer


@dataclass
class House:
    """The service under test: its parts, and a client that speaks HTTP to it."""

    engine: FakeEngine
    config: ServiceConfig
    exchange: Exchange = field(default_factory=Exchange)
    app: FastAPI = field(init=False)
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(self.config, Loaded(self.engine, 0.2, "cs2"), self.exchange)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    @property
    def manager(self) -> Manager:
        manager = self.app.state.service.manager
        assert isinstance(manager, Manager)
        return manager

    def told(self, session: str) -> list[wire.Event | Past]:
        """The events of a session that are at hand."""
        return [numbered.event for numbered in self.manager.get(session).hub.held(0) or []]

    async def offer(self, room: str = "room") -> httpx.Response:
        headers = {"Content-Type": "application/sdp"}
        return await self.http.post(f"/whip/{room}", content="v=0\r\n", headers=headers)

    async def join(self, shown_s: float = 0.1) -> tuple[str, FakePeer]:
        """A new session and the peer that feeds it, which has shown enough to be asked about."""
        response = await self.offer()
        assert response.status_code == 201, response.text
        peer = self.exchange.peers[-1]
        await peer.play(shown_s)
        return response.headers["X-EchoSieve-Session"], peer

    async def ask(self, session: str, question: str) -> httpx.Response:
        return await self.http.post(f"/v1/sessions/{session}/ask", json={"question": question})


async def open_house(engine: FakeEngine, config: ServiceConfig) -> AsyncIterator[House]:
    """The service while the test runs; afterwards no task and no thread of it is left."""
    house = House(engine, config)
    async with house.app.router.lifespan_context(house.app), house.http:
        yield house
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [t for t in threading.enumerate() if t.name == "engine"]
    assert not engine.open_rows
    assert not engine.branches
    assert all(peer.is_closed for peer in house.exchange.peers)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    config = ServiceConfig(rows=4, history_turns=4)
    async for house in open_house(FakeEngine(rows=4), config):
        yield house
