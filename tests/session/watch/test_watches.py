"""The standing queries of a session, around an engine that can refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from session import wire
from session.engine.jobs import Watch
from session.errors import SettingInvalid
from session.watch.snapshots import Snapshots
from session.watch.watches import Watches, Write


class Moody:
    """An engine that takes standing queries while it is willing."""

    def __init__(self) -> None:
        self.willing = True

    async def take(self, _: Watch) -> None:
        if not self.willing:
            raise SettingInvalid("the question takes 9999 tokens, at most 1024 are read")


def watches_of(engine: Moody, pictures: Path) -> Watches:
    def tell(event: wire.Event, also: Write | None = None) -> None: ...

    return Watches(
        "ses",
        post=engine.take,
        tell=tell,
        ask=lambda _, then: then(None),
        noted=lambda *_: None,
        snapshots=Snapshots(pictures),
    )


async def test_a_watch_that_the_engine_refuses_to_change_stays_as_it_was(tmp_path: Path) -> None:
    engine = Moody()
    watches = watches_of(engine, tmp_path)
    before = await watches.add(wire.WatchCreate(query="a red circle", describe=True))
    engine.willing = False
    with pytest.raises(SettingInvalid):
        await watches.change(before.id, wire.WatchPatch(within_s=30.0, min_s=4.0, describe=False))
    assert watches.all() == [before]
    engine.willing = True
    changed = await watches.change(before.id, wire.WatchPatch(within_s=30.0))
    assert (changed.within_s, changed.min_s, changed.describe) == (30.0, 0.0, True)


async def test_a_query_that_the_engine_refuses_is_named(tmp_path: Path) -> None:
    engine = Moody()
    watches = watches_of(engine, tmp_path)
    engine.willing = False
    with pytest.raises(SettingInvalid) as refused:
        await watches.add(wire.WatchCreate(query="a red circle " * 30))
    assert refused.value.param == "query"
    assert watches.all() == []
