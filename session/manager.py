"""Who is here: admission, lookup, end and expiry of sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from session import reports, wire
from session.config import ServiceConfig, Settings
from session.errors import EngineDown, NoCapacity, SessionOver, SessionUnknown
from session.events import Hub
from session.footprint import trim
from session.intake import Media
from session.live import LiveSession, new_id
from session.metrics import Metrics
from session.realtime import Talk, TextChannel
from session.snapshots import Snapshots
from session.worker import Worker
from sieve.tokens import WINDOW_S

SMOOTHING = 0.1  # weight of the newest window in the running mean of ingest times


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


@dataclass(frozen=True, slots=True)
class Ended:
    """What is still told of a session that has ended: how it was, and its last events."""

    last: wire.Session
    hub: Hub

    @property
    def ended(self) -> bool:
        return True

    def describe(self) -> wire.Session:
        return self.last


class Manager:
    """All sessions of the service. Everything happens on the event loop's thread."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        retention: float,
        selector: str,
        worker: Worker,
        connect: Connect,
        metrics: Metrics,
        snapshots: Snapshots,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._settings = Settings(config.fps, retention, selector, config.turns_read)
        self._worker = worker
        self._connect = connect
        self._metrics = metrics
        self._snapshots = snapshots
        self._now = now
        self._sessions: dict[str, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._secrets: dict[str, str] = {}  # secret -> session id
        self._ended: dict[str, Ended] = {}  # oldest first
        self._arriving = 0  # offers being answered
        self._ingest_s = 0.0  # running mean

    # --- Coming ---

    def refusal(self) -> str | None:
        """Why a new session would not be served now; None when it would."""
        taken = len(self._sessions) + self._arriving
        if taken >= self._config.rows:
            return f"all {self._config.rows} places are taken"
        if any(session.level != "none" for session in self._sessions.values()):
            return "the engine is behind with the sessions it has"
        share = (taken + 1) * self._ingest_s / WINDOW_S
        if taken and share > self._config.limits.load:
            return f"one more session would take {share:.0%} of the engine's time"
        return None

    def check_ready(self) -> None:
        """Raises EngineDown, or NoCapacity before those who are here would suffer."""
        if not self._worker.alive:
            raise EngineDown("the engine has stopped; the service must be restarted")
        if reason := self.refusal():
            raise NoCapacity(reason)

    async def create(self, room: str, offer_sdp: str) -> Created:
        """Answer an offer and start its session.

        Raises EngineDown, NoCapacity, SettingInvalid, and what `connect` raises.
        """
        self.check_ready()
        self._arriving += 1
        try:
            peer, answer_sdp = await self._connect(offer_sdp)
        finally:
            self._arriving -= 1
        session = await self._open(room, peer)
        secret = new_id("whip")
        self._secrets[secret] = session.id
        return Created(session, secret, answer_sdp)

    async def _open(self, room: str, peer: Peer) -> LiveSession:
        session = LiveSession(
            id=new_id("ses"),
            room=room,
            media=peer,
            worker=self._worker,
            settings=self._settings,
            limits=self._config.limits,
            snapshots=self._snapshots,
            now=self._now,
        )
        self._sessions[session.id] = session
        try:
            async with asyncio.timeout(self._config.limits.open_s):
                await session.open()
        except BaseException as error:
            del self._sessions[session.id]
            await session.abandon("it could not be opened")
            if isinstance(error, TimeoutError):
                raise EngineDown("the engine does not open a session in time") from error
            raise
        talk = Talk(session, peer.channel, self._config.model, self._config.limits)
        task = asyncio.create_task(session.run(talk), name=session.id)
        task.add_done_callback(lambda _: self._bury(session))
        self._tasks[session.id] = task
        self._metrics.sessions += 1
        return session

    # --- Being here ---

    def get(self, session_id: str) -> LiveSession | Ended:
        """A session, also one that ended not long ago. Raises SessionUnknown."""
        if session := self._sessions.get(session_id) or self._ended.get(session_id):
            return session
        raise SessionUnknown(f"there is no session {session_id[:64]!r}")

    def live(self, session_id: str) -> LiveSession:
        """A session that has not ended. Raises SessionUnknown, SessionOver."""
        session = self.get(session_id)
        if isinstance(session, Ended) or session.ended:
            raise SessionOver("the session has ended")
        return session

    def all(self) -> list[LiveSession]:
        """The sessions that are here, oldest first."""
        return list(self._sessions.values())

    @property
    def remembered(self) -> int:
        """How many ended sessions can still be looked up."""
        return len(self._ended)

    def on_report(self, report: reports.Report) -> None:
        """Route a report of the engine thread; a session that has gone needs none."""
        self._metrics.on_report(report)
        if isinstance(report, reports.WindowDone):
            self.note_ingest(report.ingest_s)
        if session := self._sessions.get(report.session):
            session.on_report(report)

    def note_ingest(self, seconds: float) -> None:
        """How long a window took the engine; admission goes by the mean."""
        known = self._ingest_s or seconds
        self._ingest_s = known + SMOOTHING * (seconds - known)

    # --- Going ---

    async def end(self, session_id: str, reason: str) -> None:
        """End a session and wait until everything of it is given back. Raises SessionUnknown."""
        session = self.get(session_id)
        if isinstance(session, LiveSession):
            session.stop(reason)
        if task := self._tasks.get(session_id):
            await asyncio.wait({task})

    async def end_by_secret(self, secret: str) -> None:
        """End the session that was created with this secret. Raises SessionUnknown."""
        session_id = self._secrets.get(secret)
        if session_id is None:
            raise SessionUnknown("there is no such WHIP session")
        await self.end(session_id, "the sender ended it")

    async def close(self) -> None:
        """End everything."""
        for session in self.all():
            session.stop("the service stopped")
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    def _bury(self, session: LiveSession) -> None:
        """A session's task is over."""
        del self._sessions[session.id], self._tasks[session.id]
        self._secrets = {s: id for s, id in self._secrets.items() if id != session.id}
        self._metrics.subscribers_dropped += session.hub.dropped
        self._remember(session.id, Ended(session.describe(), session.hub))
        trim()

    def _remember(self, session_id: str, ended: Ended) -> None:
        """Keep what can still be looked up for `ended_s`, of the newest `ended_sessions`."""
        limits = self._config.limits
        self._ended[session_id] = ended
        while len(self._ended) > limits.ended_sessions:
            del self._ended[next(iter(self._ended))]
        loop = asyncio.get_running_loop()
        loop.call_later(limits.ended_s, self._ended.pop, session_id, None)
