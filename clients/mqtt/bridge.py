"""Between the sessions of a service and a broker: events go out, requests come in."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self

from pydantic import BaseModel

from clients.mqtt import requests
from clients.mqtt.broker import Broker, Received
from clients.mqtt.discovery import device
from clients.mqtt.following import follow
from clients.mqtt.mapping import (
    EventMessage,
    Outgoing,
    Picture,
    SourceState,
    Story,
    source_message,
    standing,
    tell,
)
from clients.mqtt.places import Places
from clients.mqtt.replies import Replies, Reply
from clients.mqtt.requests import Malformed, Request
from clients.mqtt.settings import BrokerSettings
from clients.mqtt.topics import Message, Topics
from clients.mqtt.wanted import set_watches
from clients.sdk import Backoff, Session
from clients.sdk.backoff import BACKOFF
from clients.sdk.errors import EchoSieveError, NotFound
from session import wire

log = logging.getLogger("echosieve")

STATS_S = 30.0
MOST_AT_ONCE = 8  # requests being carried out
MOST_WAITING = 64  # requests that are not answered yet, with those that are refused
RETAINED = "a request must not be retained, as it would come again: send it without the retain flag"


class BridgeStats(BaseModel):
    """On `<prefix>/stats`, every half a minute."""

    up_s: float
    sessions: int
    events: int  # told since the bridge started
    requests: int
    connections: int  # to the broker, since then


class Bridge:
    """Use as `async with`; then `follow` the sessions that are to be told of."""

    def __init__(
        self,
        settings: BrokerSettings,
        places: Places,
        *,
        stats_s: float = STATS_S,
        backoff: Backoff = BACKOFF,
    ) -> None:
        """Raises EchoSieveError for a password or a certificate that cannot be read."""
        self.topics: Topics = settings.topics
        self._places = places
        self._broker = Broker(
            settings,
            subscriptions=requests.subscriptions(self.topics),
            take=self._take,
            greeting=self._retained,
            backoff=backoff,
        )
        self._replies = Replies(self.topics, self._broker)
        self._sessions: dict[str, Session] = {}  # by name, the one that was followed last
        self._stories: dict[str, Story] = {}  # by name
        self._states: dict[str, SourceState] = {}  # of what feeds them, by name
        self._turned: set[str] = set()  # names whose state has not been told
        self._turn = asyncio.Event()
        self._own: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()  # at requests
        self._busy = 0  # of them, carrying one out
        self._setting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by name
        self._telling: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by name
        self._stats_s = stats_s
        self._began = time.monotonic()
        self._events = self._requests = 0

    async def __aenter__(self) -> Self:
        """Raises BrokerUnreachable, TakenOver."""
        await self._broker.__aenter__()
        self._own = {
            asyncio.create_task(work) for work in (self._tell_stats(), self._tell_states())
        }
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = self._own | self._working
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._broker.__aexit__(kind, error, trace)

    async def ended(self) -> None:
        """Wait for what should never come: an error within, TakenOver. Raises it."""
        await asyncio.gather(self._broker.ended(), *map(asyncio.shield, self._own))

    # --- Out ---

    async def follow(
        self,
        session: Session,
        name: str,
        goes_on: Callable[[], bool] = lambda: False,
    ) -> None:
        """Tell everything of a session, from where it was left, up to its end (see `follow`); while
        the broker is away this waits. Raises EchoSieveError where the service gives no more of it.
        """
        self._sessions[name] = session
        await self._take_up(session, name)

        async def hear(before: Story, story: Story, number: int | None, event: wire.Event) -> None:
            _, out = tell(self.topics, before, number, event)
            await self._send(session, before, story, out)
            self._events += 1

        await follow(self._places, self.topics, session, name, hear, goes_on)

    def turn(self, name: str, state: SourceState) -> None:
        """What feeds a session can be watched again, or no longer."""
        self._states[name] = state
        self._turned.add(name)
        self._turn.set()

    async def _tell_states(self) -> None:
        while True:
            await self._turn.wait()
            self._turn.clear()
            while self._turned:
                name = self._turned.pop()
                await self._broker.publish(source_message(self.topics, name, self._states[name]))

    async def _take_up(self, session: Session, name: str) -> None:
        """What is retained under the name may be another session's, or what a broker still had
        after it lost the rest: it becomes what was last told of this one."""
        place, told = self._places.find(session.id), self._stories.get(name)
        if place is None or (told is not None and told.session == session.id):
            return
        async with self._telling[name]:
            self._stories[name] = place.story
            await self._publish(session, self._standing(place.story))

    async def _send(self, session: Session, before: Story, story: Story, out: Outgoing) -> None:
        """Events of one name one after the other, so that what is retained is the newest."""
        async with self._telling[story.name]:
            if self._superseded(story):
                taken = {one.topic for one in self._standing(self._stories[story.name])}
                await self._publish(session, [one for one in out if one.topic not in taken])
                return
            first = story.name not in self._stories
            self._stories[story.name] = story
            described = device(self.topics, story)
            if first or described != device(self.topics, before):
                out = [*out, described]
            await self._publish(session, out)

    def _superseded(self, story: Story) -> bool:
        """Whether another session goes by its name meanwhile, and has been told of."""
        current = self._stories.get(story.name)
        newest = self._sessions[story.name].id
        return current is not None and current.session == newest != story.session

    async def _publish(self, session: Session, out: Iterable[Message | Picture]) -> None:
        for one in out:
            if isinstance(one, Message):
                await self._broker.publish(one)
            else:
                await self._send_picture(session, one)

    async def _send_picture(self, session: Session, picture: Picture) -> None:
        """One that is gone, or that the broker does not take, is not worth the events after it."""
        try:
            jpeg = await session.watches.picture(picture.event)
        except NotFound:
            log.info("the picture of %s is gone", picture.event.id)
            return
        await self._broker.publish(
            Message(picture.topic, jpeg, retain=True, once=True, content_type="image/jpeg")
        )

    def _standing(self, story: Story) -> list[Message]:
        """All that is retained of a session."""
        return [device(self.topics, story), *standing(self.topics, story)] if story.info else []

    def _retained(self) -> Iterable[Message]:
        """What a broker is told that may have lost everything; while it is told, more may come."""
        for story in tuple(self._stories.values()):
            yield from self._standing(story)
        for name, state in tuple(self._states.items()):
            yield source_message(self.topics, name, state)

    async def _tell_stats(self) -> None:
        while True:
            stats = BridgeStats(
                up_s=round(time.monotonic() - self._began, 1),
                sessions=sum(not story.closed for story in self._stories.values()),
                events=self._events,
                requests=self._requests,
                connections=self._broker.connections,
            )
            payload = stats.model_dump_json().encode()
            await self._broker.publish(Message(self.topics.stats, payload, qos=0))
            await asyncio.sleep(self._stats_s)

    # --- In ---

    async def _take(self, received: Received) -> None:
        """A message of the broker; what it asks for is done beside."""
        if len(self._working) >= MOST_WAITING:
            log.warning("%s: too much is asked at once; this is passed over", received.topic)
            return
        if received.topic == self.topics.birth:
            work = self._introduce(received)
        else:
            self._requests += 1
            work = self._answer(received)
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._settled)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request failed", exc_info=error)

    async def _introduce(self, received: Received) -> None:
        """Home Assistant has started anew."""
        if received.payload != b"online":
            return
        for name in tuple(self._stories):
            async with self._telling[name]:
                await self._broker.publish(device(self.topics, self._stories[name]))

    async def _answer(self, received: Received) -> None:
        """Whatever is wrong with a request is told to whoever made it."""
        name, kind = requests.name_of(self.topics, received.topic)
        reply = self._replies.to(received, name)
        if received.retained and not received.payload:
            return  # what was retained there has been taken away
        if self._busy >= MOST_AT_ONCE:
            await reply.refuse("busy", f"{MOST_AT_ONCE} requests are being carried out")
        elif received.retained:
            await reply.refuse("retained", RETAINED)
        elif (session := self._sessions.get(name)) is None:
            await reply.refuse("session_unknown", self._nobody(name))
        else:
            self._busy += 1
            try:
                request = requests.read(kind, received.payload)
                await self._carry_out(name, session, request, reply)
            except Malformed as error:
                await reply.refuse("malformed", str(error), error.param)
            except EchoSieveError as error:
                await reply.fail(error)
            finally:
                self._busy -= 1

    def _nobody(self, name: str) -> str:
        if name in self._states:
            return f"nothing has come of {name} yet: there is no session to ask"
        return f"there is no session {name[:64]!r}"

    async def _carry_out(self, name: str, session: Session, request: Request, reply: Reply) -> None:
        match request:
            case wire.AskRequest():
                await reply.answer(session, request)
            case requests.Replay():
                await self._replay(name, session, request.after, reply)
            case _:
                async with self._setting[name]:  # what was sent last stands last
                    await set_to(session, request)
                await reply.done()

    async def _replay(self, name: str, session: Session, after: int, reply: Reply) -> None:
        """The events of watches after a number, as far as they have been told: a receiver that was
        away asks for what it missed. `before` is null where it lies before `after`."""
        place = self._places.find(session.id)
        last = place.number if place else 0
        story = Story(name=name, session=session.id)
        stream = session.follow(after=after)  # beyond an end after which it was opened again
        if after >= last:
            await reply.done()
            return
        async with aclosing(aiter(stream)) as events:
            async for event in events:
                story, out = tell(self.topics, story, stream.last_id, event)
                for one in out:
                    if isinstance(one, Message) and one.topic == self.topics.events:
                        await reply.send(EventMessage.model_validate_json(one.payload))
                if stream.last_id is not None and stream.last_id >= last:
                    break
        await reply.done()


Setting = requests.SetInstruction | requests.SetRetention | requests.SetWatches


async def set_to(session: Session, request: Setting) -> None:
    """Raises EchoSieveError."""
    match request:
        case requests.SetInstruction():
            await session.update(instruction=request.instruction)
        case requests.SetRetention():
            await session.update(retention=request.retention)
        case requests.SetWatches():
            await set_watches(session, request.watches)
