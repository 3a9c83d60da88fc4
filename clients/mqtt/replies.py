"""Answers to requests: to the Response Topic with the Correlation Data, else to a topic of ours."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from clients.advice import plain
from clients.mqtt.broker import Broker, Received
from clients.mqtt.topics import Message, QoS, Topics
from clients.sdk import Session
from clients.sdk.errors import EchoSieveError, Refused
from session import wire


class DeltaReply(BaseModel):
    """A piece of an answer. Sent with QoS 0: `done` holds the whole text."""

    type: Literal["delta"] = "delta"
    delta: str


class DoneReply(BaseModel):
    type: Literal["done"] = "done"
    answer: wire.Answer


class OkReply(BaseModel):
    """A setting was made, or a replay is complete."""

    type: Literal["ok"] = "ok"


class ErrorReply(BaseModel):
    type: Literal["error"] = "error"
    error: wire.ErrorDetail


@dataclass(frozen=True, slots=True)
class Replies:
    """Where to, for each request."""

    topics: Topics
    broker: Broker

    def to(self, received: Received, name: str) -> Reply:
        """Without a Response Topic that is fit for answers it is `<prefix>/<name>/replies`."""
        asked = received.respond_to or ""
        topic = asked if self.topics.answerable(asked) else self.topics.of(name, "replies")
        return Reply(self.broker, topic, received.correlation, received.expiry_s)


@dataclass(frozen=True, slots=True)
class Reply:
    """The way back to whoever made one request, which may take `expiry_s` from now on."""

    broker: Broker
    topic: str
    correlation: bytes | None
    expiry_s: float | None

    async def answer(self, session: Session, request: wire.AskRequest) -> None:
        """The pieces as they are written, then the whole. A question whose time is up is
        cancelled. Raises EchoSieveError."""
        asking = session.ask(
            request.question,
            max_tokens=request.max_tokens,
            conversation=request.conversation,
            notes=request.notes,
        )
        try:
            async with asyncio.timeout(self.expiry_s), aclosing(aiter(asking)) as deltas:
                async for delta in deltas:
                    await self.send(DeltaReply(delta=delta), qos=0)
        except TimeoutError:
            await self.refuse("expired", f"not answered within {self.expiry_s:g} s")
            return
        await self.send(DoneReply(answer=asking.answer))

    async def done(self) -> None:
        await self.send(OkReply())

    async def refuse(self, type: str, message: str, param: str | None = None) -> None:
        detail = wire.ErrorDetail(type=type, message=message, param=param)
        await self.send(ErrorReply(error=detail))

    async def fail(self, error: EchoSieveError) -> None:
        """What the service, or the way to it, did not let us do."""
        if isinstance(error, Refused):
            await self.refuse(error.code, error.message, error.param)
        else:
            await self.refuse("failed", plain(error))

    async def send(self, reply: BaseModel, *, qos: QoS = 1) -> None:
        payload = reply.model_dump_json().encode()
        await self.broker.publish(
            Message(self.topic, payload, qos=qos, correlation=self.correlation)
        )
