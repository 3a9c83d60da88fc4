"""Standing queries of a session: "tell me when ..."."""

from __future__ import annotations

from typing import TypedDict, Unpack

from clients.sdk.errors import Unusable
from clients.sdk.transport import Transport, changed, made, segment
from session import wire


class WatchSettings(TypedDict, total=False):
    """When an event of a watch begins and ends, and what is told of it (see `wire.WatchPatch`)."""

    within_s: float  # how far back the model looks: a minute by default, for counts everything
    threshold: float  # the probability at which an event begins
    release: float  # the one below which it ends
    min_s: float  # how long it must hold before it is told
    cooldown_s: float  # after an event, none begins for so long
    update_s: float  # an open one is told of again so often
    quiet: list[wire.QuietHours]  # hours of the day in which nothing is told
    describe: bool  # the model writes a sentence about it
    snapshot: bool  # a picture of it is kept


class Watches:
    """`session.watches`.

    What they find comes as `wire.WatchEvent` among the session's events:

        await session.watches.create("a red circle appears", cooldown_s=30.0)
        async for event in session.events():
            if isinstance(event, wire.WatchEvent) and event.change == "new":
                print(event.query, event.started_s, event.sentence)
    """

    def __init__(self, transport: Transport, session_path: str) -> None:
        self._transport = transport
        self._path = f"{session_path}/watches"

    async def create(self, query: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """Set a standing query; it is judged after every window from now on. Raises Invalid."""
        body = made(wire.WatchCreate, {"query": query, **settings})
        return await self._transport.call("POST", self._path, wire.Watch, body=body)

    async def count(self, query: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """Count something ("red things"): every new number comes as `wire.WatchCounted` among the
        session's events. Raises Invalid."""
        body = made(wire.WatchCreate, {"query": query, "kind": "count", **settings})
        return await self._transport.call("POST", self._path, wire.Watch, body=body)

    async def list(self) -> list[wire.Watch]:
        """All that are set."""
        found = await self._transport.call("GET", self._path, wire.WatchList)
        return found.watches

    async def get(self, id: str) -> wire.Watch:
        """One of them, as it stands now. Raises NotFound."""
        return await self._transport.call("GET", f"{self._path}/{segment(id)}", wire.Watch)

    async def update(self, id: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """Change what is given; the rest stays. Raises NotFound, Invalid, Unusable where nothing is
        given."""
        path = f"{self._path}/{segment(id)}"
        body = changed(wire.WatchPatch, dict(settings))
        return await self._transport.call("PATCH", path, wire.Watch, body=body)

    async def delete(self, id: str) -> wire.Watch:
        """Remove it; an event that is open ends. Raises NotFound."""
        return await self._transport.call("DELETE", f"{self._path}/{segment(id)}", wire.Watch)

    async def picture(self, event: wire.WatchEvent) -> bytes:
        """The JPEG picture of an event. Raises NotFound, Unusable where none was kept."""
        if not isinstance(event, wire.WatchEvent):
            raise Unusable(f"a picture is of a WatchEvent, such as events() gives, not {event!r}")
        if event.snapshot is None:
            raise Unusable("no picture was kept of this event: set the watch's `snapshot`")
        return (await self._transport.request("GET", event.snapshot)).content
