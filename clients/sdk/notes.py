"""The notes of a session: a running, timestamped record in words."""

from __future__ import annotations

from clients.sdk.transport import Transport, made
from session import wire


class Notes:
    """`session.notes`. New ones come as `wire.NoteAdded` among the session's events."""

    def __init__(self, transport: Transport, session_path: str) -> None:
        self._transport = transport
        self._path = f"{session_path}/notes"

    async def set(self, every_s: float | None = 60.0, *, events: bool = False) -> wire.NoteSettings:
        """A note every so many seconds of the stream (None: none), and with `events` one for every
        event of a watch that describes them. Raises Invalid."""
        body = made(wire.NoteSettings, {"every_s": every_s, "events": events})
        return await self._transport.call("PATCH", self._path, wire.NoteSettings, body=body)
