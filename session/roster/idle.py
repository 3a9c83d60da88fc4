"""A session without a stream: it waits for its sender, or has ended and can be opened again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import partial

from session import wire
from session.engine.views import NO_MEMORY
from session.errors import SessionOver
from session.ids import new_id
from session.journal import records
from session.journal.events import Hub
from session.live.origin import Origin
from sieve.tokens import WINDOW_S


@dataclass(frozen=True, slots=True)
class Idle:
    """How the session is described, what a sender will find set, and its events."""

    session: wire.Session
    settings: wire.SessionPatch
    hub: Hub

    @property
    def id(self) -> str:
        return self.session.id

    @property
    def ended(self) -> bool:
        return self.session.state == "ended"

    def describe(self) -> wire.Session:
        return self.session

    def origin(self, history: list[tuple[str, str]]) -> Origin:
        """Where its stream goes on: with the next window of its clock."""
        windows = math.ceil(self.session.clock_s / WINDOW_S)
        return Origin(
            id=self.id,
            room=self.session.room,
            created_at=self.session.created_at,
            begins_s=windows * WINDOW_S,
            history=tuple(history),
            reopened=True,
        )

    # --- While it waits; what changes is a new one ---

    async def begun(self) -> Idle:
        """Write it down for the first time."""
        return await self._tell(wire.SessionCreated(session=self.session))

    def set_to(self, patch: wire.SessionPatch) -> Idle:
        """With other settings; null leaves one as it is, but takes an instruction away. Raises
        SessionOver."""
        if self.ended:
            raise SessionOver(f"the session has ended ({self.session.reason})")
        changes = patch.model_dump(exclude_none=True)
        if "instruction" in patch.model_fields_set:
            changes["instruction"] = patch.instruction
        settings = self.settings.model_copy(update=changes)
        return replace(self, session=described(self.session, settings), settings=settings)

    async def tell_updated(self) -> None:
        await self._tell(wire.SessionUpdated(session=self.session))

    async def close(self, reason: str) -> Idle:
        """End it before a sender came."""
        session = self.session.model_copy(update={"state": "ended", "reason": reason})
        ended = replace(self, session=session)
        await ended._tell(wire.SessionClosed(session=self.id, reason=reason))
        self.hub.close()
        return ended

    async def _tell(self, event: wire.Event) -> Idle:
        save = partial(records.save, session=self.session, settings=self.settings)
        self.hub.publish(event, also=save)
        await self.hub.told()
        return self


def waiting(room: str, settings: wire.SessionPatch) -> wire.Session:
    """A new session that waits for its sender."""
    session = wire.Session(
        id=new_id("ses"),
        room=room,
        state="waiting",
        created_at=time.time(),
        clock_s=0.0,
        has_video=None,
        has_audio=None,
        instruction=None,
        retention=1.0,
        selector="",
        memory=NO_MEMORY,
        windows=0,
        skipped=0,
        behind_windows=0,
        overload="none",
        answering=0,
    )
    return described(session, settings)


def described(session: wire.Session, settings: wire.SessionPatch) -> wire.Session:
    """The session with these settings, before the engine has a say."""
    shown = {"instruction", "retention", "selector"}
    return session.model_copy(
        update=settings.model_dump(include=shown, exclude_none=True)
        | {"instruction": settings.instruction}
    )
