"""The standing queries of a session, made what somebody wants them to be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from clients.advice import plain
from clients.sdk import Session
from clients.sdk.errors import EchoSieveError, Refused
from clients.sdk.watches import WatchSettings
from session import wire

log = logging.getLogger("echosieve")

MOST_WATCHES = 64  # that a session has


async def set_watches(session: Session, wanted: Sequence[wire.WatchCreate]) -> None:
    """Let exactly these stand: what is there already is changed, not made anew; what is not given
    for it becomes the service's default again. Raises EchoSieveError; where the service refuses one
    of them, those stand that stood before, or the text says that these could not be put back."""
    before = await session.watches.list()
    try:
        await _change(session, before, wanted)
    except Refused as refusal:
        await _put_back(session, before, refusal)
        raise


async def _put_back(session: Session, before: Sequence[wire.Watch], refusal: Refused) -> None:
    """Raises EchoSieveError where that fails, with the refusal that led to it."""
    try:
        now = await session.watches.list()
        await _change(session, now, [settings_of(watch) for watch in before])
    except EchoSieveError as error:
        said = f"{refusal.said}; what stood before could not be put back ({plain(error)})"
        log.error("session %s: %s", session.id, said)
        raise EchoSieveError(f"{said}: set all watches again") from error


async def _change(
    session: Session, standing: Sequence[wire.Watch], wanted: Sequence[wire.WatchCreate]
) -> None:
    """What is removed makes room for what is new, and is not before what stays has been changed, as
    of these an open event ends."""
    left, new = list(standing), []
    for settings in wanted:
        asked = (settings.kind, settings.query)
        watch = next((one for one in left if (one.kind, one.query) == asked), None)
        if watch is None:
            new.append(settings)
            continue
        left.remove(watch)
        fields = {name: getattr(settings, name) for name in wire.WatchPatch.model_fields}
        await session.watches.update(watch.id, **cast(WatchSettings, fields))
    for watch in left:
        await session.watches.delete(watch.id)
    for settings in new:
        await _create(session, settings)


async def _create(session: Session, settings: wire.WatchCreate) -> None:
    given = settings.model_fields_set & wire.WatchPatch.model_fields.keys()
    fields = {name: getattr(settings, name) for name in given}
    make = session.watches.count if settings.kind == "count" else session.watches.create
    await make(settings.query, **cast(WatchSettings, fields))


def settings_of(watch: wire.Watch) -> wire.WatchCreate:
    """What makes another one like it."""
    fields = {name: getattr(watch, name) for name in wire.WatchCreate.model_fields}
    return wire.WatchCreate(**fields)
