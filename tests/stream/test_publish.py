"""Publishing to a WHIP endpoint, to one that refuses, and to none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiortc import RTCRtpReceiver

from stream.publish import PublishError, Sending, _Outlet, publish
from stream.rtc import Peer
from stream.window import Frame, Item
from tests.session.fakes import PATIENCE_S, eventually
from tests.stream.media import FlashAndBeep, loopback


@dataclass
class Endpoint:
    """A WHIP endpoint of a few lines: takes one stream, and notes what it was asked."""

    status: int = 201
    url: str = ""
    peer: Peer | None = None
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, token

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await head_of(reader):
            method, path, _ = head[0].split()
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:])}
            body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
            self.requests.append((method, path, headers.get("authorization", "")))
            writer.write(await self.answer(method, body))
        writer.close()

    async def answer(self, method: str, body: str) -> bytes:
        lines, text = [f"HTTP/1.1 {self.status if method == 'POST' else 200} X"], "sorry, full"
        if method == "POST" and self.status == 201:
            self.peer, text = await Peer.answer(body)
            lines.append("Location: /whip/room/abc")
        lines.append(f"Content-Length: {len(text)}")
        return "\r\n".join([*lines, "", text]).encode()


async def head_of(reader: asyncio.StreamReader) -> list[str]:
    lines = []
    while line := (await reader.readline()).decode().strip():
        lines.append(line)
    return lines


@asynccontextmanager
async def endpoint(status: int = 201) -> AsyncIterator[Endpoint]:
    whip = Endpoint(status)
    server = await asyncio.start_server(whip.handle, "127.0.0.1", 0)
    whip.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/whip/room"
    try:
        yield whip
    finally:
        if whip.peer is not None:
            await whip.peer.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)  # the handlers see their connections end


async def test_a_source_is_sent_to_its_end_and_the_session_is_deleted() -> None:
    async with endpoint() as whip:
        source = FlashAndBeep(1.0)
        publication = await publish(source, whip.url, bearer="secret", with_channel=True)
        assert publication.resource == whip.url + "/abc"
        await publication.channel.send("hello")
        assert whip.peer is not None
        assert await anext(aiter(whip.peer.channel)) == "hello"
        await publication.finished()
        await publication.close()
        assert await whip.peer.closed() == "remote"
        items = [item async for item in whip.peer]
        newest_s = max(i.time_s if isinstance(i, Frame) else i.start_s for i in items)
        assert newest_s > 0.9
        assert whip.requests == [
            ("POST", "/whip/room", "Bearer secret"),
            ("DELETE", "/whip/room/abc", "Bearer secret"),
        ]


async def test_an_endpoint_that_refuses_is_quoted() -> None:
    async with endpoint(status=503) as whip:
        with pytest.raises(PublishError, match=r"answered 503 .* sorry, full") as error:
            await publish(FlashAndBeep(1.0), whip.url)
        assert error.value.status == 503


async def test_an_endpoint_that_is_not_there_is_named() -> None:
    with pytest.raises(PublishError, match=r"127\.0\.0\.1:9/whip cannot be reached"):
        await publish(FlashAndBeep(1.0), "http://127.0.0.1:9/whip")


async def test_when_the_receiver_ends_the_connection_the_sender_is_told() -> None:
    async with loopback(FlashAndBeep(30.0)) as (sending, peer):
        await peer.close()
        with pytest.raises(PublishError, match="the connection to the receiver is"):
            await sending.finished()


async def test_a_sender_whose_encoder_is_behind_is_told_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for room in front of the encoder, which there will never be."""

    async def never(_: _Outlet) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(_Outlet, "recv", never)
    async with loopback(FlashAndBeep(30.0)) as (sending, peer):
        outlets = sending._outlets.values()
        await eventually(lambda: any(outlet._frames.full() for outlet in outlets))
        await peer.close()
        with pytest.raises(PublishError, match="the connection to the receiver is"):
            await asyncio.wait_for(sending.finished(), PATIENCE_S)


@pytest.fixture
def dumb(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """When called, receivers report no more, as one that was killed."""
    monkeypatch.setattr("stream.receipts.SILENCE_S", 2.0)

    async def nothing(*_: object) -> None: ...

    return lambda: monkeypatch.setattr(RTCRtpReceiver, "_send_rtcp", nothing)


class Resting(FlashAndBeep):
    """Something comes, and then nothing more."""

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for item in super().__aiter__():
            yield item
        await asyncio.Event().wait()


@pytest.mark.parametrize("source", [FlashAndBeep(30.0), Resting(0.2)], ids=["runs", "rests"])
async def test_a_receiver_that_was_killed_is_missed_within_seconds(
    source: FlashAndBeep, dumb: Callable[[], None]
) -> None:
    async with loopback(source) as (sending, _):
        await sending._receipts.another()
        dumb()
        with pytest.raises(PublishError, match="the receiver is gone: it has reported nothing"):
            await asyncio.wait_for(sending.finished(), PATIENCE_S)


async def test_a_source_that_ends_before_its_receiver_was_missed_is_not_taken_for_sent(
    dumb: Callable[[], None],
) -> None:
    dumb()
    async with loopback(FlashAndBeep(0.2)) as (sending, _):
        with pytest.raises(PublishError, match="the receiver is gone"):
            await asyncio.wait_for(sending.finished(), PATIENCE_S)


@pytest.mark.parametrize("source", [Resting(0.2), Resting(0.0)], ids=["after a while", "at once"])
async def test_a_source_that_rests_is_no_reason_to_miss_the_receiver(
    source: Resting, dumb: Callable[[], None]
) -> None:
    async with loopback(source) as (sending, _):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sending.finished(), 4.0)


async def test_a_source_in_which_there_is_nothing_ends_at_once() -> None:
    async with loopback(FlashAndBeep(0.0)) as (sending, _):
        await asyncio.wait_for(sending.finished(), PATIENCE_S)


async def test_an_error_of_the_source_reaches_who_waits() -> None:
    class Broken(FlashAndBeep):
        async def __aiter__(self) -> AsyncIterator[Item]:
            async for item in super().__aiter__():
                yield item
                raise OSError("the camera was unplugged")

    async with loopback(Broken(1.0)) as (sending, _):
        with pytest.raises(OSError, match="unplugged"):
            await sending.finished()


async def test_an_answer_that_is_none_is_refused() -> None:
    sending = Sending(FlashAndBeep(1.0))
    await sending.offer()
    with pytest.raises(PublishError, match="the answer cannot be used"):
        await sending.accept("v=0\r\n")
    with pytest.raises(PublishError, match="accept an answer first"):
        await sending.finished()
    await sending.close()
