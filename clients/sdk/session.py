"""One session: what is set for it, questions, events, its end; and the media on their way into it.

The two stand together because each gives the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack
from urllib.parse import quote

from clients.sdk.asking import Asking
from clients.sdk.backoff import Backoff
from clients.sdk.errors import (
    ConnectionLost,
    Forbidden,
    Misused,
    NotFound,
    ServerError,
    ServiceTimeout,
    ServiceUnreachable,
    Unusable,
)
from clients.sdk.events import EventStream, Following
from clients.sdk.notes import Notes
from clients.sdk.transport import Transport, changed, made
from clients.sdk.watches import Watches
from session import wire

if TYPE_CHECKING:
    from clients.media import Media, Sender

SDP = "application/sdp"  # media go over WebRTC (WHIP, RFC 9725)
NOT_BEGUN = (
    "nothing is being published: use `async with client.publish(...) as live`, or await "
    "live.start() first (without await: `with`)"
)
BEGUN = "a publication is started once, by its `async with` or by start(): call publish() again"


class Settings(TypedDict, total=False):
    """What a session can be set to; what is left out stays as it is."""

    instruction: str | None  # what to watch for, in words; None takes it away
    retention: float  # share of the tokens to keep, in (0, 1]
    selector: str  # what chooses them: client.selectors() tells which there are
    slots: int  # tokens that are remembered at most


class Session:
    """A session of the service, by its id. `info` is what was last heard of it."""

    def __init__(self, transport: Transport, info: wire.Session, backoff: Backoff) -> None:
        self.info = info
        self._transport = transport
        self._backoff = backoff
        self._path = f"/v1/sessions/{info.id}"
        self.watches = Watches(transport, self._path)
        self.notes = Notes(transport, self._path)

    def __repr__(self) -> str:
        return f"<Session {self.id} in {self.info.room!r}, {self.info.state}>"

    @property
    def id(self) -> str:
        return self.info.id

    async def refresh(self) -> wire.Session:
        """What the service knows of it now; also in `info`."""
        return await self._told("GET")

    async def update(self, **settings: Unpack[Settings]) -> wire.Session:
        """Change what is set; the rest stays. Raises Invalid, Conflict (the session is over);
        Unusable where nothing is given, or None for anything but the instruction."""
        body = changed(wire.SessionPatch, dict(settings))
        for name, value in settings.items():
            if value is None and name != "instruction":
                raise Unusable(f"{name} cannot be None: leave it out, and it stays as it is")
        return await self._told("PATCH", body=body)

    async def close(self) -> wire.Session:
        """End the session; one that has ended stays as it is. What is on record stays too."""
        return await self._told("DELETE")

    async def erase(self) -> None:
        """End the session and remove everything that is on record of it."""
        await self._transport.request("DELETE", f"{self._path}/record")

    def publish(self, media: Media) -> Publication:
        """Send media into this session, which is waiting for it or has ended: its settings, its
        history and the numbers of its events go on. See `EchoSieve.publish`."""
        return Publication(
            self._transport, media, room=self.info.room, find=self._found, attach=self.id
        )

    def ask(
        self,
        question: str,
        *,
        max_tokens: int = wire.DEFAULT_ANSWER_TOKENS,
        conversation: wire.Conversation = "auto",
        notes: wire.UseOfNotes = "auto",
    ) -> Asking:
        """Ask now: iterate for the words, or await the whole answer (see `Asking`).

        With `conversation="none"` the question leaves no trace in the session's history. `notes`:
        whether it is answered from them (see `wire.AskRequest`). A session
        that has not seen anything yet is asked again until it has, for a while.
        Raises Invalid; the rest when it is asked.
        """
        fields = {
            "question": question,
            "max_tokens": max_tokens,
            "conversation": conversation,
            "notes": notes,
        }
        return Asking(self._transport, self._path, made(wire.AskRequest, fields))

    def events(self, *, after: int | None = None) -> EventStream:
        """What happens in the session, from now on, or after the event with the number `after`
        (0: from the first that is held), to its end; of a session that has ended, what is on record
        after that number, which is nothing "from now on". Raises Unusable for what is no such
        number. One that was never given begins with `wire.EventsMissed` and goes on from now: a
        service whose record was lost begins its numbers anew, and who comes back to it stays. See
        `EventStream`."""
        return EventStream(self._transport, self._path, after=after, backoff=self._backoff)

    def follow(
        self, *, after: int | None = None, goes_on: Callable[[], bool] | None = None
    ) -> EventStream:
        """The same, beyond the session's end: it goes on when somebody publishes to it again.
        Where `goes_on` says no, what is on record is read to its end, and no more is waited for
        when the session has ended."""
        return Following(
            self._transport, self._path, after=after, backoff=self._backoff, goes_on=goes_on
        )

    async def answers(self, *, after: str | None = None) -> AsyncIterator[wire.Answer]:
        """What was asked and answered, in the order in which the answers were finished, also before
        a restart of the service; or what followed on the answer with the id `after`."""
        params = {} if after is None else {"after": after}
        while True:
            path = f"{self._path}/answers"
            page = await self._transport.call("GET", path, wire.AnswerList, params=params)
            for answer in page.answers:
                yield answer
            if not page.has_more:
                return
            params = {"after": page.answers[-1].id}

    async def _found(self, _: str) -> Session:
        self.info = await published(self._transport, self._path)
        return self

    async def _told(self, method: str, **options: Any) -> wire.Session:
        self.info = await self._transport.call(method, self._path, wire.Session, **options)
        return self.info


class Publication:
    """Made by `client.publish` and `session.publish`; media runs while the block does.

    `session` is the session that sees and hears it.
    """

    def __init__(
        self,
        transport: Transport,
        media: Media,
        *,
        room: str,
        find: Callable[[str], Awaitable[Session]],
        attach: str | None = None,
    ) -> None:
        """`find` gives the session with an id; `attach` is the id of one that is there already."""
        self._transport = transport
        self._media = media
        self._room = room
        self._find = find
        self._attach = attach
        self._session: Session | None = None
        self._sender: Sender | None = None
        self._resource = ""

    @property
    def session(self) -> Session:
        """Raises Misused before the publication has begun."""
        if self._session is None:
            raise Misused(NOT_BEGUN)
        return self._session

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Open the media and connect. Raises MediaFailed, NotInstalled, Unavailable (the service
        is full) and whatever else a request raises; Misused the second time."""
        from clients.media import sender_of

        if self._sender is not None or self._session is not None:
            raise Misused(BEGUN)
        sender = await sender_of(self._media)
        try:
            await self._connect(sender)
        except BaseException:
            await sender.close()
            raise
        self._sender = sender

    async def finished(self) -> None:
        """Wait until the media has come to its end and the service has reported after its last
        piece.

        Raises MediaFailed where the media breaks; ConnectionLost where the connection does, or
        where the service has reported nothing for 8 s; Misused where nothing is being sent.
        """
        if self._sender is None:
            raise Misused(NOT_BEGUN)
        await self._sender.finished()

    async def close(self) -> None:
        """Stop sending and end the session; may be called any number of times."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        try:
            await self._transport.request("DELETE", self._resource)
        except (NotFound, ServerError, ConnectionLost, ServiceTimeout, ServiceUnreachable):
            return  # it is gone, a proxy says, or will miss its sender within seconds
        finally:
            await sender.close()

    async def _connect(self, sender: Sender) -> None:
        response = await self._transport.request(
            "POST",
            f"/whip/{quote(self._room, safe='')}",
            params=None if self._attach is None else {"session": self._attach},
            content=await sender.offer(),
            headers={"Content-Type": SDP},
        )
        self._resource = response.headers["Location"]
        await sender.accept(response.text)
        self._session = await self._find(response.headers["X-EchoSieve-Session"])


async def published(transport: Transport, path: str) -> wire.Session:
    """A session as who sends to it may see it: a token to publish does not let one watch, yet the
    answer to a change of nothing tells the same."""
    try:
        return await transport.call("GET", path, wire.Session)
    except Forbidden:
        return await transport.call("PATCH", path, wire.Session, body=wire.SessionPatch())
