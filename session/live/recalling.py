"""The notes that a question is answered from. Where the session has ended they are all there is."""

from __future__ import annotations

import time

from session import wire
from session.errors import SessionOver
from session.ids import new_id
from session.journal.events import Hub
from session.journal.shelf import Shelf
from session.live.answering import Answering, answer_of, publish_done, publish_started
from session.live.turn import Turn
from session.notes import recall

NOT_NOTED = (
    'the session has ended: it answers from its notes alone, to "notes": "only", or where the '
    "question names a time of which something was noted"
)


async def recalled(
    session: wire.Session, asked: wire.AskRequest, shelf: Shelf
) -> list[wire.Note] | None:
    """None where it is not answered from notes. Raises JournalBehind, JournalFailed."""
    remembered_s = None if session.state == "ended" else session.memory.oldest_s
    if not recall.wants_notes(asked.notes, asked.question, session.clock_s, remembered_s):
        return None
    found = await shelf.recalled(session.id, asked.question, session.clock_s)
    return found if found or asked.notes == "only" else None


async def read_out(
    session: wire.Session, hub: Hub, asked: wire.AskRequest, shelf: Shelf
) -> Answering:
    """The answer of a session that has ended: its notes, as nothing of it is left in a model that
    could read them. On file when it returns. Raises SessionOver, JournalBehind, JournalFailed."""
    received = time.monotonic()
    notes = await recalled(session, asked, shelf)
    if notes is None:
        raise SessionOver(NOT_NOTED)
    turn = Turn(
        id=new_id("ans"),
        question=asked.question.strip(),
        asked_at=time.time(),
        asked_s=session.clock_s,
        received=received,
        remembered=asked.conversation == "auto",
        newest_frame_s=None,
        notes=tuple(notes),
    )
    turn.say(recall.told(notes), time.monotonic())
    answer = answer_of(session.id, turn, "completed", now=time.monotonic(), grid_s=0.0)
    return await _told(turn, answer, hub)


async def _told(turn: Turn, answer: wire.Answer, hub: Hub) -> Answering:
    """The whole of it, as if it had been written."""
    delta = wire.AnswerDelta(id=turn.id, delta=turn.text)
    started = publish_started(hub, answer.session, turn)
    hub.tell(delta)
    done = publish_done(hub, answer)
    await hub.told()
    answering = Answering(turn)
    for event in (started, delta, done):
        answering.put(event)
    return answering
