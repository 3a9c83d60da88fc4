"""The same without `await`: every call blocks until it is done. The work is done by the
asynchronous client, in a thread of its own, so a program may use it from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from clients.sdk.asking import Asking
from clients.sdk.backoff import BACKOFF, TIMEOUTS, Backoff, Timeouts
from clients.sdk.client import EchoSieve, Sessions
from clients.sdk.events import EventStream
from clients.sdk.notes import Export, Notes
from clients.sdk.portal import Portal
from clients.sdk.session import Publication, Session, Settings
from clients.sdk.watches import Watches, WatchSettings
from session import wire

if TYPE_CHECKING:
    import httpx

    from clients.media import Media


class SyncEchoSieve:
    """A client of one service, for code without `await`.

        with SyncEchoSieve() as client, client.publish("clip.webm") as live:
            for delta in live.session.ask("what do you see now?"):
                print(delta, end="")

    Arguments as of `EchoSieve`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeouts: Timeouts = TIMEOUTS,
        backoff: Backoff = BACKOFF,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = EchoSieve(
            url, token, timeouts=timeouts, backoff=backoff, transport=transport
        )
        self._portal = Portal()
        self.sessions = SyncSessions(self._portal, self._client.sessions)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back all connections and end the thread; may be called any number of times."""
        if self._portal.open:
            self._portal.run(self._client.close())
            self._portal.close()

    def ready(self) -> wire.Ready:
        """See `EchoSieve.ready`."""
        return self._portal.run(self._client.ready())

    def selectors(self) -> list[wire.SelectorChoice]:
        """See `EchoSieve.selectors`."""
        return self._portal.run(self._client.selectors())

    def publish(self, media: Media, room: str = wire.DEFAULT_ROOM) -> SyncPublication:
        """See `EchoSieve.publish`; use as `with`."""
        return SyncPublication(self._portal, self._client.publish(media, room))


class SyncSessions:
    """The sessions of a service: `client.sessions`."""

    def __init__(self, portal: Portal, sessions: Sessions) -> None:
        self._portal = portal
        self._sessions = sessions

    def create(self, room: str = wire.DEFAULT_ROOM, **settings: Unpack[Settings]) -> SyncSession:
        """See `Sessions.create`."""
        session = self._portal.run(self._sessions.create(room, **settings))
        return SyncSession(self._portal, session)

    def list(self, state: wire.SessionState | None = None) -> list[SyncSession]:
        """See `Sessions.list`."""
        found = self._portal.run(self._sessions.list(state))
        return [SyncSession(self._portal, session) for session in found]

    def get(self, id: str) -> SyncSession:
        """See `Sessions.get`."""
        return SyncSession(self._portal, self._portal.run(self._sessions.get(id)))


class SyncSession:
    """A session of the service; see `Session`."""

    def __init__(self, portal: Portal, session: Session) -> None:
        self._portal = portal
        self._session = session
        self.watches = SyncWatches(portal, session.watches)
        self.notes = SyncNotes(portal, session.notes)

    def __repr__(self) -> str:
        return repr(self._session)

    @property
    def id(self) -> str:
        return self._session.id

    @property
    def info(self) -> wire.Session:
        """What was last heard of it."""
        return self._session.info

    def refresh(self) -> wire.Session:
        """See `Session.refresh`."""
        return self._portal.run(self._session.refresh())

    def update(self, **settings: Unpack[Settings]) -> wire.Session:
        """See `Session.update`."""
        return self._portal.run(self._session.update(**settings))

    def close(self) -> wire.Session:
        """See `Session.close`."""
        return self._portal.run(self._session.close())

    def erase(self) -> None:
        """See `Session.erase`."""
        self._portal.run(self._session.erase())

    def publish(self, media: Media) -> SyncPublication:
        """See `Session.publish`; use as `with`."""
        return SyncPublication(self._portal, self._session.publish(media))

    def answers(self, *, after: str | None = None) -> Iterator[wire.Answer]:
        """See `Session.answers`."""
        return self._portal.iterate(self._session.answers(after=after))

    def ask(
        self,
        question: str,
        *,
        max_tokens: int = wire.DEFAULT_ANSWER_TOKENS,
        conversation: wire.Conversation = "auto",
        notes: wire.UseOfNotes = "auto",
    ) -> SyncAsking:
        """See `Session.ask`: iterate for the words, or call `whole()`."""
        asking = self._session.ask(
            question, max_tokens=max_tokens, conversation=conversation, notes=notes
        )
        return SyncAsking(self._portal, asking)

    def events(self, *, after: int | None = None) -> SyncEventStream:
        """See `Session.events`."""
        return SyncEventStream(self._portal, self._session.events(after=after))

    def follow(
        self, *, after: int | None = None, goes_on: Callable[[], bool] | None = None
    ) -> SyncEventStream:
        """See `Session.follow`; `goes_on` is called in another thread."""
        following = self._session.follow(after=after, goes_on=goes_on)
        return SyncEventStream(self._portal, following)


class SyncWatches:
    """`session.watches`; see `Watches`."""

    def __init__(self, portal: Portal, watches: Watches) -> None:
        self._portal = portal
        self._watches = watches

    def create(self, query: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """See `Watches.create`."""
        return self._portal.run(self._watches.create(query, **settings))

    def count(self, query: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """See `Watches.count`."""
        return self._portal.run(self._watches.count(query, **settings))

    def list(self) -> list[wire.Watch]:
        """See `Watches.list`."""
        return self._portal.run(self._watches.list())

    def get(self, id: str) -> wire.Watch:
        """See `Watches.get`."""
        return self._portal.run(self._watches.get(id))

    def update(self, id: str, **settings: Unpack[WatchSettings]) -> wire.Watch:
        """See `Watches.update`."""
        return self._portal.run(self._watches.update(id, **settings))

    def delete(self, id: str) -> wire.Watch:
        """See `Watches.delete`."""
        return self._portal.run(self._watches.delete(id))

    def picture(self, event: wire.WatchEvent) -> bytes:
        """See `Watches.picture`."""
        return self._portal.run(self._watches.picture(event))


class SyncNotes:
    """`session.notes`; see `Notes`."""

    def __init__(self, portal: Portal, notes: Notes) -> None:
        self._portal = portal
        self._notes = notes

    def set(self, every_s: float | None = 60.0, *, events: bool = False) -> wire.NoteSettings:
        """See `Notes.set`."""
        return self._portal.run(self._notes.set(every_s, events=events))

    def settings(self) -> wire.NoteSettings:
        """See `Notes.settings`."""
        return self._portal.run(self._notes.settings())

    def search(self, words: str, limit: int = wire.MAX_NOTES) -> list[wire.Note]:
        """See `Notes.search`."""
        return self._portal.run(self._notes.search(words, limit))

    def export(self, format: Export = "md") -> str:
        """See `Notes.export`."""
        return self._portal.run(self._notes.export(format))

    def list(self, limit: int = wire.MAX_NOTES) -> list[wire.Note]:
        """See `Notes.list`."""
        return self._portal.run(self._notes.list(limit))


class SyncAsking:
    """A question on its way; see `Asking`."""

    def __init__(self, portal: Portal, asking: Asking) -> None:
        self._portal = portal
        self._asking = asking

    def __iter__(self) -> Iterator[str]:
        """The answer's pieces as they are written."""
        return self._portal.iterate(self._asking)

    @property
    def text(self) -> str:
        """What was said so far."""
        return self._asking.text

    @property
    def answer(self) -> wire.Answer:
        """The whole answer, once it is complete."""
        return self._asking.answer

    def whole(self) -> wire.Answer:
        """Wait for the whole answer."""
        return self._portal.run(self._asking.whole())

    def cancel(self) -> None:
        """See `Asking.cancel`; from another thread than the one that iterates, or in its loop."""
        self._portal.run(self._asking.cancel())


class SyncEventStream:
    """The events of a session; see `EventStream`."""

    def __init__(self, portal: Portal, stream: EventStream) -> None:
        self._portal = portal
        self._stream = stream

    @property
    def last_id(self) -> int | None:
        """The number of the event that was handed out last."""
        return self._stream.last_id

    def __iter__(self) -> Iterator[wire.Event]:
        return self._portal.iterate(self._stream)


class SyncPublication:
    """Media on its way into a session; see `Publication`."""

    def __init__(self, portal: Portal, publication: Publication) -> None:
        self._portal = portal
        self._publication = publication

    def __enter__(self) -> Self:
        self._portal.run(self._publication.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def session(self) -> SyncSession:
        """The session that sees and hears the media."""
        return SyncSession(self._portal, self._publication.session)

    def finished(self) -> None:
        """Wait until the media has come to its end. See `Publication.finished`."""
        self._portal.run(self._publication.finished())

    def close(self) -> None:
        """Stop sending and end the session."""
        self._portal.run(self._publication.close())
