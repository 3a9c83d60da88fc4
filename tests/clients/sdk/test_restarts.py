"""Following a session while its service is restarted and the network is cut, again and again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clients.sdk import EchoSieve, Session
from session import wire
from session.config import ServiceConfig
from session.server import serving
from tests.clients.sdk.conftest import QUICK
from tests.clients.sdk.cuts import Network, network
from tests.session.conftest import House
from tests.session.fakes import FakeEngine, eventually

RESTARTS = 100
PATIENCE_S = 300.0


@asynccontextmanager
async def service(journal: Path, net: Network) -> AsyncIterator[House]:
    """A service on the journal, at the other end of the network while the block runs."""
    house = House(FakeEngine(rows=4), ServiceConfig(rows=4, journal=str(journal)))
    async with serving(house.app) as url, house.http:
        net.target = url
        yield house
        net.target = "http://127.0.0.1:9"
        net.cut()


async def attach(house: House, id: str) -> None:
    """A sender comes to the session, and shows enough to be asked about."""
    headers = {"Content-Type": "application/sdp"}
    url = f"/whip/room?session={id}"
    response = await house.http.post(url, content="v=0\r\n", headers=headers)
    assert response.status_code == 201, response.text
    await house.exchange.peers[-1].play(0.1)


async def answered(house: House, id: str, question: str) -> None:
    """Asked past the network, so that the answer is acknowledged whatever happens to that."""
    response = await house.ask(id, question)
    assert response.status_code == 200, response.text


class Listener:
    """Follows a session and keeps what it was told, with the numbers."""

    def __init__(self, session: Session) -> None:
        self.stream = session.follow(after=0)
        self.numbers: list[int] = []
        self.questions: list[str] = []  # whose answers it was told
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self.stream:
            number = self.stream.last_id or 0
            if not self.numbers or number != self.numbers[-1]:  # else it is one without a number
                self.numbers.append(number)
            if isinstance(event, wire.AnswerDone):
                self.questions.append(event.answer.question)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_no_event_and_no_answer_is_lost_or_doubled_over_restarts_and_cuts(
    tmp_path: Path,
) -> None:
    journal, chance = tmp_path / "journal.db", random.Random(7)
    asked = [f"question {number}" for number in range(RESTARTS)]
    async with (
        asyncio.timeout(PATIENCE_S),
        network("http://127.0.0.1:9") as net,
        EchoSieve(net.url, backoff=QUICK) as client,
    ):
        async with service(journal, net):
            session = await client.sessions.create("room", retention=0.3)
            listener = Listener(session)
            await eventually(lambda: bool(listener.numbers))
        for question in asked:
            async with service(journal, net) as house:
                net.budget = chance.choice([None, chance.randrange(1, 4_000)])
                await attach(house, session.id)
                await answered(house, session.id, question)
        async with service(journal, net):
            net.budget = None
            await eventually(lambda: len(listener.questions) == RESTARTS or listener.task.done())
            history = [answer.question async for answer in session.answers()]
            kept = await session.refresh()
        await listener.stop()
    assert listener.questions == asked
    assert listener.numbers == list(range(1, len(listener.numbers) + 1))
    assert history == asked
    assert (kept.retention, kept.state) == (0.3, "ended")
    assert net.connections > RESTARTS
