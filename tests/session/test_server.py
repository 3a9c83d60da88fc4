"""On a real socket: clients that hang up, and the end of the service."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from session import server, wire
from session.api import http, scenes
from session.api.service import Service
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.live.session import CUT_OFF, LiveSession
from session.server import ServeError, bound, serving, url_of
from tests.session.conftest import House
from tests.session.fakes import Exchange, FakeEngine, eventually

SDP = {"Content-Type": "application/sdp"}
UNFINISHED = (
    b"POST /whip/room HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n"
    b"Content-Length: 100\r\n\r\nv=0\r\n"
)
STOPS = wire.ErrorDetail(type="stopping", message=CUT_OFF)
SLOW = {"question": "slowly", "max_tokens": 256}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


async def joined(client: httpx.AsyncClient) -> str:
    """A new session, which has shown enough to be asked about; its path."""
    response = await client.post("/whip/room", content="v=0\r\n", headers=SDP)
    return f"/v1/sessions/{response.headers['X-EchoSieve-Session']}"


@dataclass
class Site:
    """The service on a socket, and a client that speaks HTTP to it."""

    service: Service
    port: int
    client: httpx.AsyncClient

    @property
    def session(self) -> LiveSession:
        """The one that joined."""
        [session] = self.service.manager.all()
        return session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()

    def unread(self, path: str, room: int = 4_096) -> socket.socket:
        """A client that asks for the events of a session and never reads them; its system takes
        `room` bytes or two for it."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.connect(("127.0.0.1", self.port))
        client.sendall(f"GET {path}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return client


@asynccontextmanager
async def open_site(engine: FakeEngine, shown_s: float = 0.1) -> AsyncIterator[Site]:
    """The service while the block runs; senders begin with `shown_s` of media."""
    app = create_app(ServiceConfig(), Loaded(engine, 0.2), Exchange(shown_s))
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert client.base_url.port is not None
        yield Site(app.state.service, client.base_url.port, client)


async def test_a_client_that_hangs_up_on_a_streamed_answer_cancels_it(engine: FakeEngine) -> None:
    async with open_site(engine) as site:
        path = f"{await joined(site.client)}/ask"
        events = {"Accept": "text/event-stream"}
        async with site.client.stream("POST", path, json=SLOW, headers=events) as response:
            lines = response.aiter_lines()
            while "answer.delta" not in await anext(lines):
                pass
            assert engine.branches
        await eventually(lambda: not engine.branches)


async def test_a_client_that_hangs_up_on_a_whole_answer_cancels_it(engine: FakeEngine) -> None:
    async with open_site(engine) as site:
        path = await joined(site.client)
        asking = asyncio.create_task(site.client.post(f"{path}/ask", json=SLOW))
        await eventually(lambda: bool(engine.branches))
        asking.cancel()
        await eventually(lambda: not engine.branches)
        assert (await site.client.get(path)).json()["answering"] == 0


async def test_a_reader_of_events_that_hangs_up_is_forgotten(engine: FakeEngine) -> None:
    async with open_site(engine) as site:
        path = await joined(site.client)
        session, headers = site.session, {"Last-Event-ID": "0"}
        async with site.client.stream("GET", f"{path}/events", headers=headers) as response:
            await anext(response.aiter_lines())
            assert session.hub.listening == 1
        await eventually(lambda: session.hub.listening == 0)


async def test_the_end_of_the_service_ends_streams_and_answers_at_once(engine: FakeEngine) -> None:
    app = create_app(ServiceConfig(), Loaded(engine, 0.2), Exchange(shown_s=0.1))
    async with httpx.AsyncClient() as client:
        async with serving(app) as url:
            client.base_url = httpx.URL(url)
            path = await joined(client)
            reading = asyncio.create_task(client.get(f"{path}/events"))
            asking = asyncio.create_task(client.post(f"{path}/ask", json=SLOW))
            await eventually(lambda: bool(engine.branches))
        assert "session.closed" in (await reading).text
        assert (await asking).status_code == 503


async def test_who_asks_is_told_that_the_service_stops_and_finds_the_question_on_file(
    engine: FakeEngine, tmp_path: Path
) -> None:
    config, exchange = ServiceConfig(journal=tmp_path / "journal.db"), Exchange(shown_s=0.1)
    async with httpx.AsyncClient() as client:
        async with serving(create_app(config, Loaded(engine, 0.2), exchange)) as url:
            client.base_url = httpx.URL(url)
            path = await joined(client)
            whole = asyncio.create_task(client.post(f"{path}/ask", json=SLOW))
            streaming = {"Accept": "text/event-stream"}
            streamed = asyncio.create_task(client.post(f"{path}/ask", json=SLOW, headers=streaming))
            await eventually(lambda: len(engine.branches) == 2)
        refused = await whole
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert wire.ErrorBody.model_validate_json(refused.content).error == STOPS
        *_, error, done = [
            wire.EVENT.validate_json(line.removeprefix("data: "))
            for line in (await streamed).text.splitlines()
            if line.startswith("data: ")
        ]
        assert error == wire.ErrorEvent(error=STOPS)
        assert isinstance(done, wire.AnswerDone)
        assert (done.answer.status, done.answer.error) == ("cancelled", STOPS)
        async with serving(create_app(config, Loaded(engine, 0.2), exchange)) as url:
            client.base_url = httpx.URL(url)
            found = wire.AnswerList.model_validate_json(
                (await client.get(f"{path}/answers")).content
            )
    assert [(answer.status, answer.error) for answer in found.answers] == [("cancelled", STOPS)] * 2
    assert done.answer in found.answers


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=str(port)):
            bound("127.0.0.1", port)


def test_the_address_is_told_as_a_url() -> None:
    with bound("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_places_are_given_back_however_often_clients_come_and_go(house: House) -> None:
    for _ in range(50):
        _, peer = await house.join()
        await peer.play(2.1)
        peer.leave()
        await eventually(lambda: not house.manager.all())
    await eventually(lambda: not house.engine.open_rows)
    assert len(house.exchange.peers) == 50


async def test_a_body_that_does_not_come_is_not_waited_for(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "BODY_S", 0.05)
    async with open_site(engine) as site, site.connection() as (reader, writer):
        writer.write(UNFINISHED)
        assert b" 408 " in await reader.readline()


async def test_a_connection_that_never_ends_its_header_is_closed(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_S", 0.05)
    async with open_site(engine) as site:
        for begin in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            async with site.connection() as (reader, writer):
                writer.write(begin)
                assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_a_sender_that_hangs_up_within_its_body_leaves_no_trace_in_the_log(
    engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_site(engine, shown_s=0.0) as site:
        async with site.connection() as (_, writer):
            writer.write(UNFINISHED)
            await writer.drain()
        assert (await site.client.get("/healthz")).status_code == 200
    assert not caplog.records


def tell(session: LiveSession, characters: int) -> None:
    """An event of so many characters, to all who listen."""
    session.hub.tell(wire.JournalPaused(reason="x" * characters))


async def test_a_reader_of_events_that_does_not_read_is_hung_up_on(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "STUCK_S", 0.2)
    async with open_site(engine) as site:
        path = await joined(site.client)
        service, session = site.service, site.session
        with site.unread(path):
            await eventually(lambda: session.hub.listening == 1)
            for _ in range(64):  # 4 MiB: more than sockets and transport hold
                tell(session, 65_536)
            await eventually(lambda: session.hub.listening == len(service.streams) == 0)
        assert "did not read" in caplog.text
        assert (await site.client.get("/healthz")).status_code == 200


async def test_no_more_is_made_for_a_reader_than_fits_while_it_does_not_read(
    engine: FakeEngine,
) -> None:
    async with open_site(engine) as site:
        path = await joined(site.client)
        session, limit = site.session, site.service.config.limits.subscriber_queue
        with site.unread(path):
            await eventually(lambda: session.hub.listening == 1)
            told = 0
            while session.hub.listening:
                tell(session, 65_536)
                told += 1
                await session.hub.told()
                await asyncio.sleep(0)
            assert limit < told < limit + 32  # what waits, and what is on its way
            assert session.hub.dropped == 1


async def test_a_slow_reader_of_events_is_not_hung_up_on(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STUCK_S", 1.0)
    async with open_site(engine) as site:
        path = await joined(site.client)
        session = site.session
        with site.unread(path, room=2**16) as reader:
            reader.setblocking(False)
            await eventually(lambda: session.hub.listening == 1)
            tell(session, 2**21)
            loop, came = asyncio.get_running_loop(), 0
            while came < 2**21:  # in 64 pieces, over more than STUCK_S
                piece = await loop.sock_recv(reader, 2**15)
                assert piece, "hung up on"
                came += len(piece)
                await asyncio.sleep(0.025)
            assert session.hub.listening == 1


async def test_a_service_that_stops_gives_up_the_scenes_that_are_being_rendered(
    engine: FakeEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    async with httpx.AsyncClient(timeout=60.0) as client:
        app = create_app(ServiceConfig(), Loaded(engine, 0.2), Exchange())
        async with serving(app) as url:
            paths = [f"{url}/v1/demo/scene.webm?seconds=120&seed={seed}" for seed in (1, 2)]
            asking = [asyncio.create_task(client.get(path)) for path in paths]
            folder = app.state.service.scenes.directory
            await eventually(lambda: any(folder.iterdir()))
        for refused in await asyncio.gather(*asking):
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "stopping"
    assert not capfd.readouterr().err


async def test_an_answer_may_take_longer_than_a_header(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_S", 0.05)
    async with open_site(engine) as site:
        answer = await site.client.post(f"{await joined(site.client)}/ask", json=SLOW)
        assert answer.json()["output_tokens"] == 256


async def test_an_unforeseen_error_has_our_form_and_headers_and_ends_the_connection(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scenes, "questions", broken)
    async with open_site(engine) as site:
        response = await site.client.get("/v1/demo/questions")
        assert response.status_code == 500
        assert response.json()["error"]["type"] == "server_error"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["Connection"] == "close"
        assert (await site.client.get("/healthz")).status_code == 200


def test_what_is_there_when_the_service_begins_is_never_looked_through_for_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = []

    def begin(*_: object) -> None:
        frozen.append(gc.get_freeze_count())
        gc.unfreeze()

    monkeypatch.setattr(uvicorn.Server, "run", begin)
    server.run(create_app(ServiceConfig(), Loaded(FakeEngine(), 0.2)), bound("127.0.0.1", 0))
    assert frozen[0] > 10_000
