"""What is sent to a service, where that is away as it is to end."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from clients.sdk import EchoSieve
from clients.sdk.session import Publication
from session import wire
from session.errors import SessionBusy
from tests.session.described import session


class Sender:
    """Of media; the network is elsewhere."""

    is_closed = False

    async def offer(self) -> str:
        return "v=0"

    async def accept(self, answer: str) -> None: ...

    async def finished(self) -> None: ...

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    """What every publication is sent by."""
    sender = Sender()

    async def sender_of(_: object) -> Sender:
        return sender

    monkeypatch.setattr("clients.media.sender_of", sender_of)
    return sender


Answer = Callable[[httpx.Request], httpx.Response]


def taken(request: httpx.Request) -> httpx.Response:
    """What a service answers that takes a publication."""
    if request.method == "POST":
        headers = {"Location": "/whip/door/whip_1", "X-EchoSieve-Session": "ses_1"}
        return httpx.Response(201, text="v=0", headers=headers)
    return httpx.Response(200, content=session(state="live").model_dump_json())


def client_of(answer: Answer) -> EchoSieve:
    return EchoSieve("http://proxy", transport=httpx.MockTransport(answer))


async def test_a_sender_that_was_cut_off_is_waited_for_until_the_service_misses_it(
    sender: Sender,
) -> None:
    refusals = [SessionBusy(), SessionBusy()]

    def answered(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and refusals:
            error = refusals.pop()
            body = wire.ErrorBody(error=error.detail()).model_dump_json()
            return httpx.Response(error.status, content=body, headers={"Retry-After": "0"})
        return taken(request)

    async with client_of(answered) as client, client.publish("clip.webm", room="door") as live:
        assert live.session.id == "ses_1"
    assert not refusals
    assert SessionBusy().headers["Retry-After"] == "2"


@pytest.mark.parametrize("status", [404, 500, 502, 503])
async def test_a_publication_closes_also_where_a_proxy_answers_for_a_service_that_is_away(
    status: int, sender: Sender
) -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return httpx.Response(status, text="<html>away</html>")
        return taken(request)

    async with client_of(answered) as client:
        publication = client.publish("clip.webm", room="door")
        assert isinstance(publication, Publication)
        async with publication:
            assert not sender.is_closed
    assert sender.is_closed
