"""The sessions of what a monitor itself publishes: media by its address, and what bots deliver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from clients.advice import CONFIGURATION, told
from clients.sdk import EchoSieve, Publication, Session
from clients.sdk.errors import EchoSieveError, NotFound
from clients.together import unless

if TYPE_CHECKING:
    from clients.media import Media

log = logging.getLogger("echosieve")

FAREWELL_S = 15.0  # for the end of a session to be told
LAST_S = 5.0  # the same, when the monitor itself is to end

Work = Callable[[Session, Publication], Coroutine[Any, Any, None]]


class Attend(Protocol):
    """Sets what is to be watched for in a session, and tells of it to its end."""

    async def prepare(self, name: str, session: Session) -> None: ...

    async def follow(self, name: str, session: Session, goes_on: Callable[[], bool]) -> None: ...


class Run:
    """A session, and the telling of it, which outlives the cuts of what is published to it."""

    def __init__(self, name: str, session: Session, attend: Attend) -> None:
        self.session = session
        self.over = False  # the end of the session that comes next is the last
        self._name = name
        self._attend = attend
        self.following = self._followed()

    async def follow_again(self) -> None:
        """At once: who follows a session that has ended looks less and less often whether it goes
        on."""
        await ended(self.following)
        self.following = self._followed()

    def _followed(self) -> asyncio.Task[None]:
        telling = self._attend.follow(self._name, self.session, self._goes_on)
        return asyncio.create_task(telling)

    def _goes_on(self) -> bool:
        return not self.over


class Streams:
    """One session at a time for each source. What failed goes on in the session it had: its
    settings, its standing queries and the numbers of its events stay."""

    def __init__(self, client: EchoSieve, attend: Attend, left: Mapping[str, str]) -> None:
        """`left`: by name, the sessions that an earlier run of the monitor did not finish."""
        self._client = client
        self._attend = attend
        self._ids = dict(left)
        self._runs: dict[str, Run] = {}
        self._late: set[asyncio.Task[None]] = set()

    async def publish(self, name: str, media: Media, work: Work) -> None:
        """Publishes `media` while `work` runs, then waits until the end of it has been told.

        Raises EchoSieveError; the next one of this name goes on with the same session.
        """
        run = await self._run(name)
        waiting = run.session.info.state == "waiting"
        if waiting:  # then the first window is judged too
            await self._attend.prepare(name, run.session)
        async with run.session.publish(media) as publication:
            if not waiting:
                await run.follow_again()
                await self._attend.prepare(name, run.session)
            await unless(run.following, work(run.session, publication))
            run.over = True
        await self._told(name, run)

    async def close(self) -> None:
        """Tell what there is still to tell of sessions whose media was stopped."""
        for run in self._runs.values():
            run.over = True
        tasks = {run.following for run in self._runs.values()} | self._late
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, name: str) -> Run:
        """The session of a source, or a new one, and its telling."""
        session = await self._known(name)
        if session is None:
            session = await self._client.sessions.create(room=name)
        self._ids[name] = session.id
        run = self._runs.get(name)
        if run is None or run.session.id != session.id or run.following.done():
            if run is not None:
                await ended(run.following)
            run = self._runs[name] = Run(name, session, self._attend)
        run.session = session
        return run

    async def _known(self, name: str) -> Session | None:
        if (id := self._ids.get(name)) is None:
            return None
        try:
            return await self._client.sessions.get(id)
        except NotFound:  # a service that keeps no journal was started anew
            log.warning("%s: its session %s is gone; a new one begins", name, id)
            return None

    async def _told(self, name: str, run: Run) -> None:
        """Its end, where the service tells it in time; otherwise that comes beside what follows."""
        del self._ids[name], self._runs[name]
        await asyncio.wait({run.following}, timeout=FAREWELL_S)
        if run.following.done():
            await ended(run.following)
        else:
            log.warning("%s: the end of session %s is not told yet", name, run.session.id)
            self._late.add(run.following)


async def ended(telling: asyncio.Task[None]) -> None:
    """Let it be over; where it failed, what is left is told when the monitor starts again."""
    telling.cancel()
    (failure,) = await asyncio.gather(telling, return_exceptions=True)
    if isinstance(failure, EchoSieveError):
        log.warning("a session is not told of to its end: %s", told(failure, CONFIGURATION))
