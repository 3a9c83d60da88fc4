"""What a client says on the channel. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import from_json

from session import wire
from session.auth import ASK, CHANGE, READ, SET, WATCH, Access
from session.errors import BadRequest, TooLarge, refusal
from session.ids import new_id


def access_of(message: wire.ClientMessage) -> Access:
    """What a message takes, which is what its HTTP route does."""
    match message:
        case wire.UpdateSession():
            return SET
        case wire.DeleteItem():
            return CHANGE
        case wire.CreateWatch() | wire.UpdateWatch() | wire.DeleteWatch() | wire.UpdateNotes():
            return CHANGE
        case wire.ListWatches():
            return WATCH
        case wire.ListNotes():
            return READ
        case _:
            return ASK


BINARY = "a message is JSON as text, not binary: channel.send(JSON.stringify(message))"


def parse(text: str | bytes, limit: int) -> wire.ClientMessage:
    """One message of a client. Raises TooLarge, BadRequest (binary, or not JSON), Invalid."""
    if isinstance(text, bytes):
        raise BadRequest(BINARY)
    if len(text) > limit:
        raise TooLarge(f"a message holds at most {limit} characters, and this one holds more")
    try:
        return wire.CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        raise refusal(error, wire.ClientMessage) from None


def event_id_of(text: str | bytes, limit: int) -> str | None:
    """The id under which a client looks for the answer, also of a message that is wrong."""
    try:
        said = from_json(text[:limit])
    except ValueError:  # no JSON, nested without an end, or with half a character ("\ud800")
        return None
    found = said.get("event_id") if isinstance(said, dict) else None
    return found if isinstance(found, str) and len(found) <= wire.MAX_EVENT_ID_CHARS else None


def patch_of(settings: wire.SessionSettings) -> wire.SessionPatch:
    """`session.update` as a patch: only what was named changes."""
    named: dict[str, str | float | int | None] = {}
    if "instructions" in settings.model_fields_set:
        named["instruction"] = settings.instructions
    if settings.x is not None:
        named.update(settings.x.model_dump(exclude_unset=True))
    return wire.SessionPatch.model_validate(named)


def question_of(message: wire.UserMessage) -> wire.Item:
    """The item that a client puts into the conversation."""
    return wire.Item(
        id=message.id or new_id("item"),
        status="completed",
        role="user",
        content=[wire.Part(type="input_text", text=message.text)],
    )


def text_of(messages: Sequence[wire.UserMessage]) -> str:
    """What is asked by several messages together."""
    return " ".join(message.text for message in messages)
