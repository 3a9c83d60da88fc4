"""Who is here: admission, lookup, end and expiry of sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from session import wire
from session.auth import EVERYTHING, Grant
from session.config import ServiceConfig, Settings
from session.engine import reports
from session.errors import (
    STOPPED,
    BadRequest,
    EngineDown,
    NoCapacity,
    NothingSeen,
    SessionBusy,
    SessionOver,
    SessionUnknown,
    SettingInvalid,
    TooManySessions,
    over,
)
from session.footprint import trim
from session.ids import new_id
from session.journal.events import Hub
from session.live.intake import Media
from session.live.origin import Origin, Shared
from session.live.session import LiveSession
from session.metrics import Metrics
from session.realtime.talk import Talk, TextChannel
from session.roster.admission import Admission
from session.roster.archive import Archive
from session.roster.idle import Idle, waiting
from session.roster.recent import Recent


class Peer(Media, Protocol):
    """A connection that brings media and carries text both ways."""

    @property
    def channel(self) -> TextChannel: ...


Connect = Callable[[str], Awaitable[tuple[Peer, str]]]
"""From an SDP offer to a peer and the SDP answer. Raises what `stream.rtc` raises."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new session, the secret that ends it, and the SDP answer."""

    session: LiveSession
    secret: str
    answer_sdp: str


class Manager:
    """All sessions of the service. Everything happens on the event loop's thread."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        settings: Settings,
        selectors: Mapping[str, str],
        shared: Shared,
        archive: Archive,
        connect: Connect,
        metrics: Metrics,
    ) -> None:
        self.admission = Admission(config.rows, config.limits.load)
        self.recent = Recent(archive, config.limits)
        self._config = config
        self._settings = settings
        self._selectors = selectors
        self._shared = shared
        self._archive = archive
        self._connect = connect
        self._metrics = metrics
        self._sessions: dict[str, LiveSession] = {}
        self._opening: dict[str, LiveSession] = {}  # known to the engine alone
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._secrets: dict[str, str] = {}  # secret -> session id
        self._waiting: dict[str, Idle] = {}
        self._attaching: dict[str, asyncio.Event] = {}  # set when a sender is there, or is not
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._arriving = 0  # offers being answered
        self._stopping = False

    # --- Coming ---

    def check_ready(self) -> None:
        """Raises EngineDown, or NoCapacity before those who are here would suffer."""
        if not self._shared.worker.alive:
            raise EngineDown("the engine has stopped; the service must be restarted")
        taken = len(self._sessions) + len(self._opening) + self._arriving
        levels = [session.progress.level for session in self._sessions.values()]
        if reason := self.admission.refusal(taken, levels):
            raise NoCapacity(reason)

    async def restore(self) -> None:
        """Take up the sessions that were waiting when the service stopped."""
        self._waiting = {idle.id: idle for idle in await self._archive.waiting()}

    async def prepare(self, request: wire.SessionCreate) -> Idle:
        """A session that waits for its sender. Raises SettingInvalid, TooManySessions."""
        most = self._config.limits.waiting_sessions
        if len(self._waiting) >= most:
            raise TooManySessions(f"{most} sessions wait for their senders already")
        self._check(request)
        given = request.model_dump(exclude={"room"}, exclude_none=True)
        settings = self._settings.patch.model_copy(update=given)
        session = waiting(request.room, settings)
        idle = Idle(session, settings, self._archive.hub(session.id))
        self._waiting[session.id] = idle
        return await idle.begun()

    async def create(self, room: str, offer_sdp: str, grant: Grant = EVERYTHING) -> Created:
        """Answer an offer and start its session, on whose channel `grant` holds.

        Raises EngineDown, NoCapacity, SettingInvalid, and what `connect` raises.
        """
        self.check_ready()
        origin = Origin(new_id("ses"), room, time.time())
        hub = self._archive.hub(origin.id)
        return await self._begin(origin, hub, self._settings, offer_sdp, grant)

    async def attach(
        self, session_id: str, room: str, offer_sdp: str, grant: Grant = EVERYTHING
    ) -> Created:
        """Answer an offer and go on with a session that waits or has ended.

        Raises SessionUnknown, SessionBusy, BadRequest for another room, and as `create`.
        """
        if (here := self._sessions.get(session_id)) and here.ending:
            await self._gone(session_id)
        self.check_ready()
        if session_id in self._attaching:
            raise SessionBusy
        attached = self._attaching[session_id] = asyncio.Event()
        try:
            idle = await self._idle(session_id)
            if idle.session.room != room:
                raise BadRequest(f"the session is of the room {idle.session.room}", param="room")
            history = await self._archive.history(session_id, self._settings.history_turns)
            settings = self._settings.patched(idle.settings)
            return await self._begin(idle.origin(history), idle.hub, settings, offer_sdp, grant)
        finally:
            del self._attaching[session_id]
            attached.set()

    async def _begin(
        self, origin: Origin, hub: Hub, settings: Settings, offer_sdp: str, grant: Grant
    ) -> Created:
        self._arriving += 1
        try:
            peer, answer_sdp = await self._connect(offer_sdp)
        finally:
            self._arriving -= 1
        session = LiveSession(
            origin=origin,
            hub=hub,
            media=peer,
            settings=settings,
            shared=self._shared,
        )
        await self._open(session)
        talk = Talk(session, peer.channel, self._config, self._shared, grant)
        task = asyncio.create_task(session.run(talk), name=session.id)
        task.add_done_callback(lambda _: self._bury(session))
        self._tasks[session.id] = task
        self._metrics.sessions += 1
        secret = new_id("whip")
        self._secrets[secret] = session.id
        return Created(session, secret, answer_sdp)

    async def _open(self, session: LiveSession) -> None:
        """Give the session a row of the engine; until it has one, it is what it was. Raises
        EngineDown, SettingInvalid."""
        self._opening[session.id] = session
        try:
            async with asyncio.timeout(self._config.limits.open_s):
                await session.open()
        except BaseException as error:
            await session.abandon("it could not be opened")
            if isinstance(error, TimeoutError):
                raise EngineDown("the engine does not open a session in time") from error
            raise
        finally:
            del self._opening[session.id]
        self._sessions[session.id] = session
        self._waiting.pop(session.id, None)
        self.recent.drop(session.id)

    def _check(self, settings: wire.SessionPatch) -> None:
        """What can be told of settings without the engine. Raises SettingInvalid."""
        slots, selector, known = settings.slots, settings.selector, self._selectors
        if slots is not None and slots > self._config.slots:
            text = f"a memory has 1 to {self._config.slots} slots, not {slots}"
            raise SettingInvalid(text, param="slots")
        if selector is not None and known and selector not in known:
            text = f"no selector is called {selector!r}: there are {', '.join(known)}"
            raise SettingInvalid(text, param="selector")

    # --- Being here ---

    def check_staying(self) -> None:
        """Raises Stopping: what is asked now, nobody would answer."""
        if self._stopping:
            raise over(STOPPED)

    def get(self, session_id: str) -> LiveSession | Idle:
        """A session that is here, waits, or ended not long ago. Raises SessionUnknown."""
        found = self._sessions.get(session_id) or self._waiting.get(session_id)
        if session := found or self.recent.find(session_id):
            return session
        raise SessionUnknown(f"there is no session {session_id[:64]!r}")

    async def find(self, session_id: str) -> LiveSession | Idle:
        """Also one that is only in the journal. Raises SessionUnknown, JournalFailed."""
        try:
            return self.get(session_id)
        except SessionUnknown:
            idle = await self._archive.find(session_id)
        return self._sessions.get(session_id, idle)  # a sender may have come meanwhile

    async def settled(self, session_id: str) -> LiveSession | Idle:
        """The same, when no sender is on its way to it: what is set is set where it holds. Raises
        SessionUnknown, JournalFailed."""
        while attached := self._attaching.get(session_id):
            await attached.wait()
        return await self.find(session_id)

    @asynccontextmanager
    async def changing(self, session_id: str) -> AsyncIterator[LiveSession | Idle]:
        """The same, for one at a time who changes what is on file of the session."""
        lock = self._changing.setdefault(session_id, asyncio.Lock())
        async with lock:
            yield await self.settled(session_id)

    async def live(self, session_id: str) -> LiveSession:
        """A session that a sender is in. Raises SessionUnknown, SessionOver, NothingSeen."""
        session = await self.find(session_id)
        if session.ended:
            raise SessionOver("the session has ended")
        if isinstance(session, Idle):
            raise NothingSeen("nothing has been seen yet: no sender has come")
        return session

    async def configure(self, session_id: str, patch: wire.SessionPatch) -> wire.Session:
        """Change settings. Raises SessionUnknown, SessionOver, SettingInvalid."""
        session = await self.settled(session_id)
        if isinstance(session, LiveSession):
            return await session.configure(patch)
        self._check(patch)
        changed = self._waiting[session_id] = session.set_to(patch)
        await changed.tell_updated()
        return changed.describe()

    async def _idle(self, session_id: str) -> Idle:
        session = await self.find(session_id)
        if isinstance(session, LiveSession):
            raise SessionBusy
        return session

    def waiting(self) -> list[Idle]:
        """The sessions that wait for their senders, oldest first."""
        return list(self._waiting.values())

    def all(self) -> list[LiveSession]:
        """The sessions that are here, oldest first."""
        return list(self._sessions.values())

    def on_report(self, report: reports.Report) -> None:
        """Route a report of the engine thread; a session that has gone needs none."""
        self._metrics.on_report(report)
        if isinstance(report, reports.WindowDone):
            self.admission.note_ingest(report.ingest_s)
        here = self._sessions.get(report.session)
        if session := here or self._opening.get(report.session):
            session.on_report(report)

    # --- Going ---

    async def end(self, session_id: str, reason: str) -> None:
        """End a session and wait until everything of it is given back; one that a sender is on its
        way to, when it is there. Raises SessionUnknown, JournalFailed."""
        session = await self.settled(session_id)
        if isinstance(session, LiveSession):
            session.stop(reason)
        elif idle := self._waiting.pop(session_id, None):
            self.recent.keep(await idle.close(reason))
        await self._gone(session_id)

    async def leave(self, session_id: str, reason: str) -> None:
        """The sender leaves: end its session when what it sent is seen, and wait until it has
        ended. Raises SessionUnknown."""
        session = self.get(session_id)
        if isinstance(session, LiveSession):
            session.leave(reason)
        await self._gone(session_id)

    async def _gone(self, session_id: str) -> None:
        """Waits for the end of a session that is here."""
        if task := self._tasks.get(session_id):
            await asyncio.wait({task})

    async def remove(self, session_id: str) -> None:
        """End a session and remove everything of it. Raises SessionUnknown, JournalFailed."""
        await self.end(session_id, "its record is removed")
        self.recent.drop(session_id)
        await self._archive.remove(session_id)

    async def expire(self) -> None:
        """End the sessions for which no sender came, every now and then. Never ends by itself."""
        while True:
            await asyncio.sleep(self._config.limits.waiting_s / 100)
            oldest_at = time.time() - self._config.limits.waiting_s
            for idle in self.waiting():
                if idle.session.created_at < oldest_at and self._is_waiting(idle.id):
                    await self.end(idle.id, "no sender came")

    def _is_waiting(self, session_id: str) -> bool:
        """Whether no sender is there, nor on its way, and nobody has ended the session."""
        return session_id in self._waiting and session_id not in self._attaching

    def sent_by(self, room: str, secret: str) -> str:
        """The session of a room that was created with this secret. Raises SessionUnknown."""
        session = self._sessions.get(self._secrets.get(secret, ""))
        if session is None or session.room != room:
            raise SessionUnknown("there is no such WHIP session")
        return session.id

    async def close(self) -> None:
        """End everything."""
        self._stopping = True
        for session in self.all():
            session.stop(STOPPED)
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def _bury(self, session: LiveSession) -> None:
        """A session's task is over."""
        del self._sessions[session.id], self._tasks[session.id]
        self._secrets = {s: id for s, id in self._secrets.items() if id != session.id}
        self._metrics.subscribers_dropped += session.hub.dropped
        session.hub.dropped = 0  # the hub stays, where the session is opened again
        self.recent.keep(Idle(session.describe(), session.settings.patch, session.hub))
        asyncio.get_running_loop().call_soon(trim)  # when nothing here holds it any more
