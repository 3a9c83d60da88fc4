"""A feed over restarts of the service: real WebRTC into a real service with a fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from clients.feed import Feed
from clients.sdk import EchoSieve, Session, errors
from session import wire
from session.app import Loaded, create_app
from session.config import ServiceConfig
from session.server import serving
from stream.source import MediaError
from stream.window import Item
from tests.clients.sdk.conftest import QUICK
from tests.clients.sdk.cuts import network
from tests.session.fakes import FakeEngine, eventually
from tests.stream.media import FlashAndBeep

PATIENCE_S = 120.0


@asynccontextmanager
async def service(journal: Path | None) -> AsyncIterator[str]:
    config = ServiceConfig(rows=4, journal=None if journal is None else str(journal))
    async with serving(create_app(config, Loaded(FakeEngine(rows=4), 0.2, "cs2"))) as url:
        yield url


@asynccontextmanager
async def fed(journal: Path | None, told: list[str]) -> AsyncIterator[tuple[Feed, Session]]:
    """A feed whose service was replaced by another one on the same journal, after a window."""
    async with (
        asyncio.timeout(PATIENCE_S),
        network("http://127.0.0.1:9") as net,
        EchoSieve(net.url, backoff=QUICK) as client,
        AsyncExitStack() as first,
    ):
        net.target = await first.enter_async_context(service(journal))
        async with Feed(client, FlashAndBeep(600.0), room="door", tell=told.append) as feed:
            session = feed.session
            await window_of(session, 0)
            await first.aclose()
            async with service(journal) as net.target:
                yield feed, session


async def window_of(session: Session, after: int) -> wire.WindowIngested:
    """The first window in the session after an event."""
    async for event in session.follow(after=after):
        if isinstance(event, wire.WindowIngested):
            return event
    raise AssertionError("following does not end")


async def test_a_stream_goes_on_in_its_session_where_that_is_on_record(tmp_path: Path) -> None:
    told: list[str] = []
    async with fed(tmp_path / "journal.db", told) as (feed, session):
        starts = []
        async for event in session.follow(after=0):
            if isinstance(event, wire.WindowIngested):
                starts.append(event.start_s)
            if isinstance(event, wire.SessionReopened):
                before = len(starts)
            if len(starts) > 1 and starts[-1] > starts[0] and told:
                break
        assert feed.session.id == session.id
        assert (await session.refresh()).state == "live"
    assert before >= 1
    assert starts == sorted(set(starts))


async def test_without_a_record_it_goes_on_in_a_new_session() -> None:
    told: list[str] = []
    async with fed(None, told) as (feed, session):
        await eventually(lambda: feed.session.id != session.id)
        await window_of(feed.session, 0)
    assert told


async def test_media_that_breaks_ends_the_feed_with_its_error() -> None:
    class Broken(FlashAndBeep):
        async def __aiter__(self) -> AsyncIterator[Item]:
            async for item in super().__aiter__():
                yield item
                raise MediaError("the camera was unplugged")

    async with (
        service(None) as url,
        EchoSieve(url) as client,
        Feed(client, Broken(1.0), room="door", tell=print) as feed,
    ):
        with pytest.raises(errors.MediaFailed, match="unplugged"):
            await feed.finished()


async def test_a_service_that_is_not_there_at_first_is_an_error() -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        feed = Feed(client, FlashAndBeep(1.0), room="door", tell=print)
        with pytest.raises(errors.ServiceUnreachable, match="echosieve serve"):
            await feed.__aenter__()
