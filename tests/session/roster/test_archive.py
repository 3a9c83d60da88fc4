"""Sessions that only the journal knows."""

from __future__ import annotations

from functools import partial

from session import wire
from session.config import Limits
from session.journal import records
from session.journal.journal import Journal
from session.roster.archive import Archive
from session.roster.idle import waiting

SESSION = waiting("room", wire.SessionPatch(retention=0.2, selector="cs2"))
ENDED = SESSION.model_copy(update={"state": "ended", "reason": "the sender left"})
NEWS = wire.WindowSkipped(index=0, start_s=0.0, end_s=2.0, reason="a test")


async def test_reading_an_old_record_leaves_a_session_alone_that_goes_on_meanwhile() -> None:
    journal = Journal(":memory:")
    archive = Archive(journal, Limits())
    await journal.do(partial(records.save, session=ENDED, settings=wire.SessionPatch()))
    heard: list[wire.Event] = []
    hub = (await archive.find(ENDED.id)).hub
    hub.open()  # as a sender's session does
    hub.tap = heard.append
    assert (await archive.find(ENDED.id)).hub is hub
    listener = hub.subscribe()
    hub.publish(NEWS)
    await hub.told()
    assert heard == [NEWS]
    numbered = await listener.next()
    assert numbered is not None
    assert numbered.event == NEWS
    await journal.close()
