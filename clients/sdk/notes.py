"""The notes of a session: a running, timestamped record in words."""

from __future__ import annotations

from typing import Literal

from clients.sdk.transport import Transport, made
from session import wire

Export = Literal["md", "vtt"]


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

    async def settings(self) -> wire.NoteSettings:
        """What is noted."""
        return (await self._page({"limit": "1"})).settings

    async def search(self, words: str, limit: int = wire.MAX_NOTES) -> list[wire.Note]:
        """Those that hold any of the words, in any of their forms, the best match first. Raises
        Invalid."""
        return (await self._page({"search": words, "limit": str(limit)})).notes

    async def export(self, format: Export = "md") -> str:
        """The newest notes as a document: Markdown, or WebVTT to lay beside a recording."""
        reply = await self._transport.request("GET", self._path, params={"format": format})
        return reply.text

    async def list(self, limit: int = wire.MAX_NOTES) -> list[wire.Note]:
        """The newest notes, oldest first; also of a session that has ended. Raises Invalid."""
        return (await self._page({"limit": str(limit)})).notes

    async def _page(self, params: dict[str, str]) -> wire.NoteList:
        return await self._transport.call("GET", self._path, wire.NoteList, params=params)
