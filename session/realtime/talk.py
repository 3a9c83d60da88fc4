"""The data channel of a session: OpenAI-Realtime-compatible events, ours prefixed with `x.`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from session import wire
from session.auth import ELSEWHERE, EVERYTHING, EXPIRED, Access, Gate, Grant
from session.config import ServiceConfig
from session.errors import BadRequest, Forbidden, ServiceError, Unauthorized
from session.ids import new_id
from session.journal.events import Past
from session.live.answering import Answering
from session.live.origin import Shared
from session.live.recalling import recalled
from session.live.session import LiveSession
from session.realtime.attending import attend
from session.realtime.conversation import Conversation
from session.realtime.messages import (
    access_of,
    event_id_of,
    parse,
    patch_of,
    question_of,
    text_of,
)
from session.realtime.script import Script
from session.realtime.telling import FOR_WATCHERS, described, told
from stream.rtc import ChannelClosedError

log = logging.getLogger(__name__)

RESPONSE = wire.ResponseSettings()


class TextChannel(Protocol):
    """Text messages both ways, bounded; what comes may also be bytes, which nobody understands."""

    def __aiter__(self) -> AsyncIterator[str | bytes]: ...

    async def send(self, text: str) -> None:
        """Waits until the channel is open and not congested. Raises ChannelClosedError."""
        ...


class Talk:
    """Speaks for one session on one channel.

    The token that the sender came with says what may be done: who may only send hears how its
    stream fares, and neither asks nor hears what others ask or watch for. When it expires nothing
    is done or told any more but the end, until the client sends another one; an answer that was
    asked for in time is told to its own end, as over HTTP.
    """

    def __init__(
        self,
        session: LiveSession,
        channel: TextChannel,
        config: ServiceConfig,
        shared: Shared,
        grant: Grant = EVERYTHING,
    ) -> None:
        self._session = session
        self._channel = channel
        self._model = config.model
        self._limits = config.limits
        self._paces, self._shelf = shared.paces, shared.shelf
        self._gate = Gate(config.key)
        self._grant = grant
        self._muted = False  # told that the token has expired
        self._conversation = Conversation()
        self._writing: list[Answering] = []  # oldest first
        self.heard = False  # whether the channel is open

    async def run(self) -> None:
        """Listen and tell until the session ends or the channel closes; what is being written
        when the channel closes is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._listen(group))
                await self._tell_events()
                listening.cancel()
        except* ChannelClosedError:
            log.debug("the channel of session %s closed", self._session.id)
        finally:
            self.heard = False
            for answering in self._writing:
                self._session.questions.forget(answering)

    # --- What the client says ---

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        async for said in self._channel:
            await self._hear(said, group)
        raise ChannelClosedError("the client closed the channel")

    async def _hear(self, said: str | bytes, group: asyncio.TaskGroup) -> None:
        """Do what one message asks for; what cannot be done is answered by an error event."""
        limit = self._limits.channel_message_bytes
        try:
            await self._obey(parse(said, limit), group)
        except ServiceError as error:
            detail = error.detail(event_id_of(said, limit))
            await self._send(wire.RealtimeError(event_id=new_id("evt"), error=detail))

    async def _obey(self, message: wire.ClientMessage, group: asyncio.TaskGroup) -> None:
        if isinstance(message, wire.RenewToken):
            await self._renew(message.token)
            return
        self._admit(access_of(message))
        match message:
            case wire.UpdateSession():
                await self._session.configure(patch_of(message.session))
            case wire.CreateItem():
                await self._add(message)
            case wire.RetrieveItem():
                item = self._conversation.find(message.item_id).item
                await self._send(wire.ItemRetrieved(event_id=new_id("evt"), item=item))
            case wire.DeleteItem():
                await self._delete(message.item_id)
            case wire.CreateResponse():
                script, answering = await self._respond(message.response or RESPONSE)
                group.create_task(self._write(script, answering))
            case wire.CancelResponse():
                self._session.questions.cancel(self._which(message.response_id))
            case _:
                async for reply in attend(message, self._session, self._shelf):
                    await self._send(reply)

    def _admit(self, access: Access) -> None:
        """Raises Unauthorized, Forbidden, TooManyRequests."""
        if access.role:
            self._grant.check(access.role, self._session.id)
        if access.pace:
            self._paces.take(access.pace, self._session.id, self._grant.holder)

    async def _renew(self, token: str) -> None:
        """Go by another token from now on. Raises Unauthorized, Forbidden."""
        grant = self._gate.admit(f"Bearer {token}")
        if not grant.covers(self._session.id):
            raise Forbidden(ELSEWHERE)
        self._grant, self._muted = grant, False
        session = described(self._session.describe(), self._model)
        await self._send(wire.RealtimeSessionUpdated(event_id=new_id("evt"), session=session))

    async def _add(self, message: wire.CreateItem) -> None:
        """Put a question into the conversation. Raises BadRequest."""
        item, last = question_of(message.item), self._conversation.last
        if message.previous_item_id not in (None, last):
            raise BadRequest(
                f"an item comes after the newest ({last}): leave previous_item_id out",
                param="previous_item_id",
            )
        self._conversation.add(item)
        for kind in (wire.ItemAdded, wire.ItemDone):
            await self._send(kind(event_id=new_id("evt"), previous_item_id=last, item=item))

    async def _delete(self, item_id: str) -> None:
        """Raises ItemUnknown, BadRequest while it is being answered, JournalFailed."""
        turn = self._conversation.find(item_id).turn
        if turn in [answering.id for answering in self._writing]:
            raise BadRequest(f"it is being answered: response.cancel ends {turn}", param="item_id")
        if turn is not None:
            await self._session.questions.unremember(turn)
        for gone in self._conversation.remove(item_id):
            await self._send(wire.ItemDeleted(event_id=new_id("evt"), item_id=gone))

    async def _respond(self, settings: wire.ResponseSettings) -> tuple[Script, Answering]:
        """Start the response to `input`, or to the newest question. Raises ServiceError."""
        waiting = None if settings.input else self._conversation.waiting()
        request = wire.AskRequest(
            question=waiting.text if waiting else text_of(settings.input or []),
            max_tokens=settings.max_output_tokens or wire.DEFAULT_ANSWER_TOKENS,
            conversation=settings.conversation,
            notes=settings.x.notes,
        )
        notes = await recalled(self._session.describe(), request, self._shelf)
        answering = self._session.questions.ask(request, self._grant.holder, notes)
        self._writing.append(answering)
        if waiting:
            self._conversation.asked(waiting, answering.id)
        script = Script(
            response_id=answering.id,
            item_id=new_id("item"),
            previous_item_id=self._conversation.last,
            metadata=settings.metadata,
            remembered=settings.conversation == "auto",
        )
        if script.remembered:
            self._conversation.add(script.begun, answering.id)
        return script, answering

    def _which(self, response_id: str | None) -> str:
        if response_id is None and not self._writing:
            raise BadRequest("no response is being written")
        return response_id or self._writing[-1].id

    # --- What the session says ---

    async def _write(self, script: Script, answering: Answering) -> None:
        """Tell one answer, from response.created to response.done."""
        async for event in answering:
            for message in script.tell(event):
                if isinstance(message, wire.ItemDone):
                    self._conversation.update(message.item)
                await self._send(message)
        self._writing.remove(answering)

    async def _tell_events(self) -> None:
        """Greet as soon as the channel opens; then tell what happens, as fast as it is read."""
        greeting = described(self._session.describe(), self._model)
        await self._send(wire.RealtimeSessionCreated(event_id=new_id("evt"), session=greeting))
        self.heard = True
        while not self._session.ended:
            subscription = self._session.hub.subscribe()
            try:
                async for numbered in subscription:
                    await self._tell(numbered.event)
            finally:
                self._session.hub.unsubscribe(subscription)

    async def _tell(self, event: wire.Event | Past) -> None:
        """What the token lets its bearer hear; once, that it lets nothing be heard any more."""
        if self._grant.expired and not isinstance(event, wire.SessionClosed):
            if not self._muted:
                self._muted = True
                detail = Unauthorized(EXPIRED).detail()
                await self._send(wire.RealtimeError(event_id=new_id("evt"), error=detail))
            return
        if isinstance(event, FOR_WATCHERS) and not self._grant.may("watch"):
            return
        if message := told(event, self._model):
            await self._send(message)

    async def _send(self, message: wire.ServerMessage) -> None:
        await self._channel.send(message.model_dump_json())
