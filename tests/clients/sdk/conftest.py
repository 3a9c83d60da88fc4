"""A real service on a real socket around a fake engine, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from clients.sdk import Backoff, EchoSieve, Session, Timeouts
from session.config import Limits, ServiceConfig
from session.server import serving
from tests.session.conftest import House
from tests.session.fakes import FakeEngine, FakePeer

QUICK = Backoff(first_s=0.005, most_s=0.02)


@dataclass
class Line:
    """A service that listens, and a client that is connected to it."""

    house: House
    url: str
    client: EchoSieve

    async def join(self, shown_s: float = 0.1) -> tuple[Session, FakePeer]:
        """A session, and the peer that feeds it."""
        id, peer = await self.house.join(shown_s)
        return await self.client.sessions.get(id), peer


@asynccontextmanager
async def served(key: bytes | None = None) -> AsyncIterator[Line]:
    """A service of its own; with a key it wants tokens."""
    limits = Limits(event_ring=10_000)
    config = ServiceConfig(rows=4, history_turns=4, key=key, limits=limits)
    house = House(FakeEngine(rows=4), config)
    async with serving(house.app) as url, house.http:
        patient = Timeouts(patience_s=5.0)
        async with EchoSieve(url, backoff=QUICK, timeouts=patient) as client:
            yield Line(house, url, client)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as line:
        yield line
    assert asyncio.all_tasks() == {asyncio.current_task()}
