"""Reports by HTTP: signed, in order, and sent until they arrive."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from clients.monitor.webhook import MOST_ASKED_S, Outbox, Webhook, shown, signature
from clients.sdk import Backoff

QUICK = Backoff(first_s=0.001, most_s=0.002)
URL = "http://receiver/reports"
NOW = 1_000.9  # Unix seconds


class Endpoint:
    """Keeps what comes; answers with the statuses it was given, then with 200. `retry_after` goes
    with each refusal."""

    def __init__(self, *statuses: int, retry_after: str | None = None) -> None:
        self.got: list[httpx.Request] = []
        self._statuses = list(statuses)
        self._refused = {} if retry_after is None else {"Retry-After": retry_after}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        status = self._statuses.pop(0) if self._statuses else 200
        if status == 0:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status, headers=self._refused if status >= 400 else {})


@asynccontextmanager
async def hooked(
    outbox: Outbox,
    endpoint: Callable[[httpx.Request], httpx.Response],
    give_up_s: float = 60.0,
    waits_s: list[float] | None = None,
) -> AsyncIterator[Webhook]:
    """`waits_s` gets how long is waited between attempts; nobody really waits."""

    async def sleep(seconds: float) -> None:
        if waits_s is not None:
            waits_s.append(seconds)
        await asyncio.sleep(0)

    hook = Webhook(
        URL,
        "secret",
        outbox,
        give_up_s=give_up_s,
        backoff=QUICK,
        transport=httpx.MockTransport(endpoint),
        wall=lambda: NOW,
        sleep=sleep,
    )
    running = asyncio.create_task(hook.run())
    try:
        yield hook
    finally:
        running.cancel()
        await asyncio.wait({running})
        outbox.close()


async def test_a_report_is_signed_over_its_time_and_body() -> None:
    endpoint = Endpoint()
    async with hooked(Outbox(":memory:"), endpoint) as hook:
        hook.put("ses/1", b'{"a": 1}')
        await hook.emptied()
    (request,) = endpoint.got
    expected = hmac.new(b"secret", b'1000.{"a": 1}', hashlib.sha256).hexdigest()
    assert request.headers["X-EchoSieve-Signature"] == f"v1={expected}"
    assert request.headers["X-EchoSieve-Timestamp"] == "1000"
    assert signature("other", 1000, b'{"a": 1}') != f"v1={expected}"


async def test_reports_are_tried_again_and_stay_in_order() -> None:
    endpoint = Endpoint(0, 503, 429)
    async with hooked(Outbox(":memory:"), endpoint) as hook:
        for number in (1, 2):
            hook.put(f"ses/{number}", b"{}")
        await hook.emptied()
    deliveries = [request.headers["X-EchoSieve-Delivery"] for request in endpoint.got]
    assert deliveries == ["ses/1", "ses/1", "ses/1", "ses/1", "ses/2"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waited_s"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 1_020.0 - NOW),
        ("999999999", MOST_ASKED_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_ASKED_S),
    ],
)
async def test_a_receiver_that_says_when_to_come_back_is_left_alone_until_then(
    status: int, asked: str, waited_s: float
) -> None:
    endpoint, waits_s = Endpoint(status, status, retry_after=asked), []
    async with hooked(Outbox(":memory:"), endpoint, waits_s=waits_s) as hook:
        hook.put("ses/1", b"{}")
        await hook.emptied()
    assert waits_s == pytest.approx([waited_s, waited_s])
    assert len(endpoint.got) == 3


@pytest.mark.parametrize("asked", [None, "", "soon", "-3", "0", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_one_that_says_nothing_of_use_is_tried_again_as_always(asked: str | None) -> None:
    endpoint, waits_s = Endpoint(503, retry_after=asked), []
    async with hooked(Outbox(":memory:"), endpoint, waits_s=waits_s) as hook:
        hook.put("ses/1", b"{}")
        await hook.emptied()
    (wait_s,) = waits_s
    assert 0.0 < wait_s <= QUICK.most_s


async def test_when_it_is_tried_again_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async with hooked(Outbox(":memory:"), Endpoint(500, retry_after="7")) as hook:
        hook.put("ses/1", b"{}")
        await hook.emptied()
    (said,) = caplog.messages[-1:]
    assert said == (
        "the webhook http://receiver did not take a report: status 500; it is tried again in 7.0 s"
    )


async def test_what_is_not_tried_again_is_not_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    async with hooked(Outbox(":memory:"), Endpoint(410)) as hook:
        hook.put("ses/1", b"{}")
        await hook.emptied()
    assert caplog.messages[-1:] == ["the webhook http://receiver refuses a report: status 410"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8123/secret?key=hush", "http://127.0.0.1:8123"),
        ("https://me:hush@receiver/secret#part", "https://receiver"),
        ("http://me:hush@[::1]:81/", "http://[::1]:81"),
    ],
)
def test_of_an_address_scheme_host_and_port_are_shown(url: str, told: str) -> None:
    assert shown(url) == told


async def test_one_that_is_refused_for_good_does_not_hold_up_the_next() -> None:
    endpoint = Endpoint(410)
    async with hooked(Outbox(":memory:"), endpoint) as hook:
        hook.put("ses/1", b"{}")
        hook.put("ses/2", b"{}")
        await hook.emptied()
    assert len(endpoint.got) == 2


async def test_what_has_not_arrived_is_sent_by_the_next_run(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.db")
    first.put(URL, "ses/1", b"{}", 999.0)
    first.put(URL, "ses/1", b"{}", 999.0)
    first.close()
    endpoint = Endpoint()
    async with hooked(Outbox(tmp_path / "outbox.db"), endpoint) as hook:
        await hook.emptied()
    assert len(endpoint.got) == 1


async def test_a_report_that_nobody_takes_is_given_up_in_the_end() -> None:
    outbox, endpoint = Outbox(":memory:"), Endpoint(500)
    outbox.put(URL, "ses/1", b"{}", 0.0)
    async with hooked(outbox, endpoint) as hook:
        await hook.emptied()
    assert len(endpoint.got) == 1


async def test_a_receiver_whose_answer_does_not_come_to_its_end_has_failed_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clients.monitor.webhook.ATTEMPT_S", 0.2)
    answered = [trickle, accept]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            await (answered.pop(0) if answered else accept)(writer)  # a good one may be slow
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    outbox = Outbox(":memory:")
    hook = Webhook(f"http://{host}:{port}/", "secret", outbox, backoff=QUICK)
    hook.put("ses/1", b"{}")
    running = asyncio.create_task(hook.run())
    try:
        async with server, asyncio.timeout(5.0):
            await hook.emptied()
    finally:
        running.cancel()
        await asyncio.wait({running})
        outbox.close()
    assert not answered


async def trickle(writer: asyncio.StreamWriter) -> None:
    """An answer whose headers have no end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b"X-More: yes\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)


async def accept(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await writer.drain()
