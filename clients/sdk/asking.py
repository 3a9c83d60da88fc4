"""A question on its way: its words as they come, and the whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing

from clients.sdk.errors import (
    AnswerCut,
    AnswerFailed,
    ConnectionLost,
    Incomplete,
    Misused,
    NotFound,
    Refused,
    ServiceTimeout,
)
from clients.sdk.sse import Parser
from clients.sdk.transport import Transport, as_json, wait_for
from session import wire


class Asking:
    """Made by `Session.ask`. Iterate over it for the words, or await the whole answer:

        async for delta in (asking := session.ask("what do you see?")):
            print(delta, end="")
        print(asking.answer.spans)

        answer = await session.ask("what did you hear first?")

    Nothing is sent before. Leaving the loop early cancels the question.
    """

    def __init__(self, transport: Transport, path: str, request: wire.AskRequest) -> None:
        self.id: str | None = None  # known from the first event on
        self.text = ""  # what was said so far
        self._transport = transport
        self._path = path
        self._request = request
        self._asked = False
        self._unwanted = False
        self._answer: wire.Answer | None = None

    @property
    def answer(self) -> wire.Answer:
        """The whole answer: its text, status and what it rests on. Raises Incomplete before."""
        if self._answer is not None:
            return self._answer
        if self._unwanted:
            raise Incomplete(
                "the question was cancelled before its answer was complete: `text` holds what was "
                "said; call ask() again for a whole answer"
            )
        raise Incomplete("the answer is not complete: iterate to its end, or call whole() instead")

    async def __aiter__(self) -> AsyncGenerator[str]:
        """The answer's pieces as they are written.

        Raises Refused, AnswerFailed (AnswerCut where the session ended meanwhile),
        ServiceUnreachable, ConnectionLost (with the text so far); Misused the second time.
        """
        if self._asked:
            raise Misused(
                "a question is asked once, and this one has been: its words are in `text`, its "
                "whole in `answer`; to ask again, call ask() again"
            )
        self._asked = True
        deadline = self._transport.deadline()
        while self._answer is None and not self._unwanted:
            try:
                async with aclosing(self._attempt()) as deltas:
                    async for delta in deltas:
                        yield delta
            except (GeneratorExit, asyncio.CancelledError):  # the loop was left
                self._unwanted = True
                raise
            except Refused as error:
                await wait_for(error, deadline)

    def __await__(self) -> Generator[object, None, wire.Answer]:
        return self.whole().__await__()

    async def whole(self) -> wire.Answer:
        """Wait for the whole answer; what `await` does."""
        if not self._asked:
            async for _ in self:
                pass
        return self.answer

    async def cancel(self) -> None:
        """Stop the answer: it ends within one step, as `cancelled`; one that has ended stays. A
        question that was not sent yet never is: it has no words, and its answer is Incomplete."""
        self._unwanted = True
        if self.id is not None and self._answer is None:
            await self._withdraw(self.id)

    async def _attempt(self) -> AsyncGenerator[str]:
        request = as_json(self._request)
        parser = Parser()
        try:
            async with self._transport.events("POST", f"{self._path}/ask", **request) as pieces:
                async for piece in pieces:
                    for message in parser.feed(piece):
                        if delta := await self._take(wire.EVENT.validate_json(message.data or "")):
                            yield delta
        except (ConnectionLost, ServiceTimeout) as error:
            raise ConnectionLost(str(error), self.text) from error
        if self._answer is None:
            raise ConnectionLost("the service stopped in the middle of the answer", self.text)
        if self._answer.status == "failed":
            raise AnswerFailed(self._answer)
        if self._answer.status == "cancelled" and not self._unwanted:
            raise AnswerCut(self._answer)

    async def _take(self, event: wire.Event) -> str:
        """What an event adds to the text."""
        match event:
            case wire.AnswerStarted():
                self.id = event.id
                if self._unwanted:
                    await self._withdraw(event.id)
            case wire.AnswerDelta():
                self.text += event.delta
                return event.delta
            case wire.AnswerDone():
                self._answer = event.answer
        return ""

    async def _withdraw(self, id: str) -> None:
        try:
            await self._transport.request("DELETE", f"{self._path}/answers/{id}")
        except NotFound:
            return  # it has ended meanwhile
