"""An answer: as it is written, and as it is told when it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from session import wire
from session.engine import views
from session.journal import records
from session.journal.events import Hub
from session.live.turn import Turn

AnswerEvent = wire.AnswerStarted | wire.AnswerDelta | wire.AnswerDone


class Answering:
    """An answer as it is written. It holds at most one event a token and needs no other bound."""

    def __init__(self, turn: Turn) -> None:
        self.id = turn.id
        self._events: asyncio.Queue[AnswerEvent] = asyncio.Queue()

    def put(self, event: AnswerEvent) -> None:
        self._events.put_nowait(event)

    async def __aiter__(self) -> AsyncIterator[AnswerEvent]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, wire.AnswerDone):
                return

    async def done(self) -> wire.Answer:
        """The whole answer, whatever its status."""
        while not isinstance(event := await self._events.get(), wire.AnswerDone):
            pass
        return event.answer


def publish_started(hub: Hub, session: str, turn: Turn) -> wire.AnswerStarted:
    """Write a question down and tell of it."""
    asked = records.Asked(
        turn.id, session, turn.asked_at, turn.asked_s, turn.question, turn.remembered
    )
    started = wire.AnswerStarted(id=turn.id, question=turn.question, asked_s=turn.asked_s)
    hub.publish(started, also=partial(records.ask, asked=asked))
    return started


def publish_done(hub: Hub, answer: wire.Answer) -> wire.AnswerDone:
    """Write an answer down and tell of it."""
    done = wire.AnswerDone(answer=answer)
    hub.publish(done, also=partial(records.answer, given=answer))
    return done


def answer_of(
    session: str,
    turn: Turn,
    status: wire.AnswerStatus,
    *,
    now: float,
    grid_s: float,
    error: wire.ErrorDetail | None = None,
) -> wire.Answer:
    """The answer of a finished turn. Without a branch (cancelled early) it rests on nothing."""
    begun = turn.begun
    look = begun.second_look if begun else None
    nothing = wire.Counts(video=0, audio=0)
    first_ms = None if turn.first_token is None else 1_000 * (turn.first_token - turn.received)
    return wire.Answer(
        id=turn.id,
        session=session,
        question=turn.question,
        text=turn.text,
        status=status,
        asked_at=turn.asked_at,
        asked_s=turn.asked_s,
        newest_frame_s=turn.newest_frame_s,
        spans=spans_of(turn),
        notes=[note.id for note in turn.notes],
        first_token_ms=first_ms,
        total_ms=1_000 * (now - turn.received),
        seen=views.counts(begun.seen) if begun else nothing,
        kept=views.counts(begun.kept) if begun else nothing,
        retention=begun.retention if begun else 0.0,
        output_tokens=turn.output_tokens,
        second_look=views.kept_map(look, grid_s) if look else None,
        error=error,
    )


def spans_of(turn: Turn) -> list[wire.Span]:
    """What an answer rests on: notes, or what its branch could attend to."""
    if turn.notes:
        return [wire.Span(start_s=note.start_s, end_s=note.end_s) for note in turn.notes]
    return [views.span(s, turn.asked_s) for s in turn.begun.spans] if turn.begun else []
