"""What is sent to a service, where that is away as it is to end."""

from __future__ import annotations

import httpx
import pytest

from clients.sdk import EchoSieve
from clients.sdk.session import Publication
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


@pytest.mark.parametrize("status", [404, 500, 502, 503])
async def test_a_publication_closes_also_where_a_proxy_answers_for_a_service_that_is_away(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()

    async def sender_of(_: object) -> Sender:
        return sender

    def answered(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return httpx.Response(status, text="<html>away</html>")
        if request.method == "POST":
            headers = {"Location": "/whip/door/whip_1", "X-EchoSieve-Session": "ses_1"}
            return httpx.Response(201, text="v=0", headers=headers)
        return httpx.Response(200, content=session(state="live").model_dump_json())

    monkeypatch.setattr("clients.media.sender_of", sender_of)
    transport = httpx.MockTransport(answered)
    async with EchoSieve("http://proxy", transport=transport) as client:
        publication = client.publish("clip.webm", room="door")
        assert isinstance(publication, Publication)
        async with publication:
            assert not sender.is_closed
    assert sender.is_closed
