"""One guest of a soak: it comes over WebRTC, is listened to and asked, and goes in some way."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

import httpx
import numpy as np

from session import wire
from session.api.scenes import askable
from session.bench.guest import Guest
from session.demo import plain
from session.live.session import ENDINGS
from stream.world.scene import Question, Scene

Ending = Literal["leaves", "is ended", "is killed"]
REASONS: dict[Ending, str] = {  # what the service must say when it closes the session
    "leaves": "the sender ended it",
    "is ended": "ended by request",
    "is killed": ENDINGS["silent"],
}

ARRIVE_S = 60.0  # a process starts, on a machine that may be busy
FAREWELL_S = 60.0  # the service notices a sender that vanished after 8 s of silence
FIRST_S = 3.0  # of the scene, before the first question
EVERY_S = 1.5
AFTER_ALL = "what do you see now?"  # asked when nothing can be known for certain


class Visit:
    """From a guest's coming to its session's end.

    ``outcomes`` counts answers: right, wrong, open (no truth is known), cut (the session ended
    while it was written), failed. ``faults`` are sentences about what should not have happened.
    """

    def __init__(
        self, client: httpx.AsyncClient, *, number: int, seconds: float, horizon_s: float
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        self.faults: list[str] = []
        self._client = client
        self._ending = list(REASONS)[number % len(REASONS)]
        self._room = f"soak-{number}"
        self._seconds = seconds
        self._horizon_s = horizon_s
        self._scene = Scene(number)
        self._rng = np.random.default_rng(number)
        url = str(client.base_url.join(f"/whip/{self._room}"))
        # It plays on where somebody else ends it: the end then meets a stream that is running.
        plays_s = seconds if self._ending == "leaves" else seconds + ARRIVE_S
        self._guest = Guest(url, seed=number, seconds=plays_s)
        self._path = ""

    async def take_place(self) -> None:
        """The whole visit. What goes wrong is among the faults."""
        self._guest.start()
        try:
            async with asyncio.timeout(ARRIVE_S):
                self._path = await self._arrival()
            reason = await self._stay()
            if reason != REASONS[self._ending]:
                self._fault(f"its session closed because {reason or 'nobody says why'}")
        except TimeoutError:
            self._fault("did not arrive" if not self._path else "was not told of its end")
        except httpx.HTTPError as error:
            self._fault(f"could not reach the service ({error!r})")
        finally:
            self._guest.kill()
            await self._guest.gone()

    async def _stay(self) -> str:
        """Listen and talk until the session closes; the reason it gives."""
        listening = asyncio.create_task(self._farewell())
        try:
            await self._converse()
            await self._go()
            return await listening
        finally:
            listening.cancel()

    async def _arrival(self) -> str:
        """The path of the session, as soon as its picture comes."""
        while True:
            found = wire.SessionList.model_validate_json(
                (await self._client.get("/v1/sessions")).content
            )
            for session in found.sessions:
                if session.room == self._room and session.state == "live":
                    return f"/v1/sessions/{session.id}"
            await asyncio.sleep(0.2)

    async def _converse(self) -> None:
        """Ask what can be asked of the scene, until it has been played or the session is over."""
        while self._guest.shown_s < self._seconds - EVERY_S and (session := await self._live()):
            if question := self._question(session):
                await self._ask(question.text, question.answer)
            await asyncio.sleep(EVERY_S)

    async def _live(self) -> wire.Session | None:
        response = await self._client.get(self._path)
        if response.status_code != 200:
            return None
        session = wire.Session.model_validate_json(response.content)
        return session if session.state == "live" else None

    def _question(self, session: wire.Session) -> Question | None:
        shown_s = self._guest.shown_s
        if shown_s < FIRST_S or session.behind_windows:  # it has not seen yet what the truth is
            return None
        possible = askable(self._scene, shown_s, session.clock_s, self._horizon_s, self._rng)
        return possible[self._rng.integers(len(possible))] if possible else None

    async def _go(self) -> None:
        """The end, with a question on its way where there is a session to be asked still."""
        match self._ending:
            case "leaves":
                await self._guest.gone()
            case "is ended":
                last = asyncio.create_task(self._ask(AFTER_ALL, None))
                await self._client.delete(self._path)
                await last
            case "is killed":
                self._guest.kill()
                await self._ask(AFTER_ALL, None)

    async def _ask(self, text: str, truth: str | None) -> None:
        request = wire.AskRequest(question=text, conversation="none")
        response = await self._client.post(f"{self._path}/ask", json=request.model_dump())
        if response.status_code == 409:
            self.outcomes["cut"] += 1
        elif response.status_code != 200:
            self.outcomes["failed"] += 1
            self._fault(f"asked {text!r}, was told {response.text}")
        else:
            answer = wire.Answer.model_validate_json(response.content)
            self.outcomes[outcome(answer, truth)] += 1

    async def _farewell(self) -> str:
        """Listen to the session's events to their end; the reason that the last one gives."""
        kind = data = ""
        async with asyncio.timeout(self._seconds + ARRIVE_S + FAREWELL_S):
            async with self._client.stream("GET", f"{self._path}/events") as events:
                async for line in events.aiter_lines():
                    name, _, value = line.partition(": ")
                    kind = value if name == "event" else kind
                    data = value if name == "data" else data
        closed = kind == "session.closed"
        return wire.SessionClosed.model_validate_json(data).reason if closed else ""

    def _fault(self, text: str) -> None:
        self.faults.append(f"{self._room}, who {self._ending}: {text}")


def outcome(answer: wire.Answer, truth: str | None) -> str:
    if answer.status == "cancelled":
        return "cut"
    if truth is None:
        return "open"
    return "right" if plain(answer.text) == plain(truth) else "wrong"
