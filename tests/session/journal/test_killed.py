"""What was acknowledged survives a kill -9 at any moment, and comes once.

ECHOSIEVE_KILLS=50 kills more often.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from pathlib import Path

import httpx

from session import wire
from session.journal.records import STOPPED
from tests.session.fakes import eventually
from tests.session.journal.killable import service

KILLS = int(os.environ.get("ECHOSIEVE_KILLS", "12"))
SDP = {"Content-Type": "application/sdp"}


class Client:
    """Sends, asks and listens to one session over all lives of the service."""

    def __init__(self) -> None:
        self.session: str | None = None
        self.numbers: list[int] = []
        self.heard: list[wire.AnswerDone] = []
        self.answered: list[wire.Answer] = []

    async def attach(self, http: httpx.AsyncClient) -> None:
        path = "/whip/room" if self.session is None else f"/whip/room?session={self.session}"
        response = await http.post(path, content="v=0\r\n", headers=SDP)
        assert response.status_code == 201, response.text
        self.session = response.headers["X-EchoSieve-Session"]

    async def listen(self, http: httpx.AsyncClient) -> None:
        last = self.numbers[-1] if self.numbers else 0
        headers = {"Last-Event-ID": str(last)}
        path = f"/v1/sessions/{self.session}/events"
        number = 0
        async with http.stream("GET", path, headers=headers) as response:
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                number = int(value) if name == "id" else number
                if name == "data":
                    self.hear(number, wire.EVENT.validate_json(value))
                    number = 0

    def hear(self, number: int, event: wire.Event) -> None:
        assert event.type != "events.missed"
        if number:
            self.numbers.append(number)
        if isinstance(event, wire.AnswerDone):
            self.heard.append(event)

    async def ask(self, http: httpx.AsyncClient) -> None:
        while True:
            question = f"question {len(self.answered)}"
            response = await http.post(
                f"/v1/sessions/{self.session}/ask", json={"question": question}
            )
            if response.status_code == 200:
                self.answered.append(wire.Answer.model_validate_json(response.content))
            await asyncio.sleep(0.01)


async def one_life(client: Client, journal: str, answers: int, seconds: float) -> None:
    """The service lives for so many answers and so long, and is killed while everything goes on."""
    with service(journal) as url:
        http = httpx.AsyncClient(base_url=url, timeout=30.0)
        await client.attach(http)
        going = [asyncio.create_task(part(http)) for part in (client.listen, client.ask)]
        wanted = len(client.answered) + answers
        async with asyncio.timeout(60):
            await eventually(lambda: len(client.answered) >= wanted)
        await asyncio.sleep(seconds)
    for end in await asyncio.gather(*going, return_exceptions=True):
        assert end is None or isinstance(end, httpx.HTTPError), end
    await http.aclose()


def check_file(journal: str) -> None:
    """After the kill, before anybody repairs anything."""
    with sqlite3.connect(journal) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
    db.close()


async def all_answers(http: httpx.AsyncClient, session: str) -> list[wire.Answer]:
    found: list[wire.Answer] = []
    while True:
        after = {"after": found[-1].id} if found else {}
        response = await http.get(f"/v1/sessions/{session}/answers", params={"limit": 7, **after})
        page = wire.AnswerList.model_validate_json(response.content)
        found += page.answers
        if not page.has_more:
            return found


async def test_nothing_acknowledged_is_lost_or_doubled_by_kills_at_random_moments(
    tmp_path: Path,
) -> None:
    journal, client, moments = str(tmp_path / "journal.db"), Client(), random.Random(7)
    for _ in range(KILLS):
        await one_life(client, journal, moments.randrange(3), moments.uniform(0.0, 0.1))
        check_file(journal)
    assert client.session is not None
    with service(journal) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30.0) as http:
            listed = await http.get("/v1/sessions", params={"state": "ended"})
            found = wire.SessionList.model_validate_json(listed.content).sessions
            assert [(s.id, s.reason) for s in found] == [(client.session, STOPPED)]
            await client.listen(http)  # to the end: the session has ended
            kept = await all_answers(http, client.session)
    assert client.numbers == list(range(1, len(client.numbers) + 1))
    assert len({answer.id for answer in kept}) == len(kept)
    assert client.answered
    by_id = {answer.id: answer for answer in kept}
    assert all(by_id[answer.id] == answer for answer in client.answered)
    told = [event.answer.id for event in client.heard]
    assert sorted(told) == sorted(answer.id for answer in kept)  # each told once
