"""The data channel of a session: OpenAI-Realtime-compatible events, ours prefixed with `x.`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from session import wire
from session.config import Limits
from session.errors import BadRequest, Invalid, ServiceError, TooLarge
from session.live import Answering, LiveSession, new_id

PENDING_ITEMS = 16  # questions put into the conversation that wait for a response.create

STATUS = {
    "completed": "completed",
    "truncated": "incomplete",
    "cancelled": "cancelled",
    "failed": "failed",
}


class TextChannel(Protocol):
    """Text messages both ways, bounded."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    def send(self, text: str) -> bool:
        """False when the other side reads too slowly and the message was not taken."""
        ...


@dataclass(slots=True)
class Writing:
    """A response on its way: the OpenAI names for one of our answers."""

    answering: Answering
    item_id: str
    metadata: dict[str, str] | None
    remembered: bool

    @property
    def response_id(self) -> str:
        return self.answering.id


class Talk:
    """Speaks for one session on one channel; at most `PENDING_ITEMS` questions wait in it."""

    def __init__(
        self, session: LiveSession, channel: TextChannel, model: str, limits: Limits
    ) -> None:
        self._session = session
        self._channel = channel
        self._model = model
        self._limits = limits
        self._pending: deque[wire.Item] = deque(maxlen=PENDING_ITEMS)
        self._last_item: str | None = None
        self._writing: dict[str, Writing] = {}

    async def run(self) -> None:
        """Listen and tell until cancelled; ends when both the channel and the session do."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_events())
            async for text in self._channel:
                await self._hear(text, group)

    # --- What the client says ---

    async def _hear(self, text: str, group: asyncio.TaskGroup) -> None:
        """Do what one message asks for; what cannot be done is answered by an error event."""
        event_id = None
        try:
            message = parse(text, self._limits.channel_message_bytes)
            event_id = message.event_id
            await self._obey(message, group)
        except ServiceError as error:
            self._send(wire.RealtimeError(event_id=new_id("evt"), error=error.detail(event_id)))

    async def _obey(self, message: wire.ClientMessage, group: asyncio.TaskGroup) -> None:
        match message:
            case wire.UpdateSession():
                await self._session.configure(patch_of(message.session))
            case wire.CreateItem():
                self._add(message.item)
            case wire.CreateResponse():
                writing = self._respond(message.response or wire.ResponseSettings())
                group.create_task(self._write(writing))
            case wire.CancelResponse():
                self._session.cancel(self._which(message.response_id))

    def _add(self, message: wire.UserMessage) -> None:
        item = wire.Item(
            id=message.id or new_id("item"),
            status="completed",
            role="user",
            content=[wire.Part(type="input_text", text=message.text)],
        )
        self._pending.append(item)
        self._announce(item)

    def _respond(self, settings: wire.ResponseSettings) -> Writing:
        """Start the response to `input`, or to the newest question. Raises ServiceError."""
        request = wire.AskRequest(
            question=self._question(settings),
            max_tokens=settings.max_output_tokens or 64,
            conversation=settings.conversation,
        )
        answering = self._session.ask(request)
        remembered = settings.conversation == "auto"
        writing = Writing(answering, new_id("item"), settings.metadata, remembered)
        self._writing[writing.response_id] = writing
        return writing

    def _question(self, settings: wire.ResponseSettings) -> str:
        if settings.input:
            return " ".join(message.text for message in settings.input)
        if not self._pending:
            raise BadRequest("no question waits: send conversation.item.create first")
        question = self._pending.pop().content[0].text
        self._pending.clear()  # older ones were overtaken
        return question

    def _which(self, response_id: str | None) -> str:
        if response_id is not None:
            return response_id
        if not self._writing:
            raise BadRequest("no response is being written")
        return next(reversed(self._writing))

    # --- What the session says ---

    async def _write(self, writing: Writing) -> None:
        """Tell one answer, from response.created to response.done."""
        async for event in writing.answering:
            match event:
                case wire.AnswerStarted():
                    self._begin(writing)
                case wire.AnswerDelta():
                    self._delta(writing, event.delta)
                case wire.AnswerDone():
                    del self._writing[writing.response_id]
                    self._end(writing, event.answer)

    def _begin(self, writing: Writing) -> None:
        response = wire.Response(
            id=writing.response_id, status="in_progress", metadata=writing.metadata
        )
        item = wire.Item(id=writing.item_id, status="in_progress", role="assistant", content=[])
        ids = {"response_id": writing.response_id, "event_id": new_id("evt")}
        self._send(wire.ResponseCreated(event_id=new_id("evt"), response=response))
        self._send(wire.OutputItemAdded(**ids, item=item))
        part = wire.Part(type="text", text="")
        self._send(wire.ContentPartAdded(**ids, item_id=writing.item_id, part=part))
