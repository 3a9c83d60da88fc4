"""What comes in over MQTT. Pure. It is data: checked against a model before anything is done, and
never an instruction to the bridge itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from clients.mqtt.topics import Topics, alike
from clients.mqtt.wanted import MOST_WATCHES
from session import wire
from session.wire.faults import fault_of

MOST_BYTES = 64 * 1024
T = TypeVar("T")


class Malformed(Exception):
    """A payload that is not what its topic takes; the text says what would be right."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Replay(wire.Incoming):
    """`<prefix>/<name>/replay`: the events after a number once more, to the Response Topic."""

    after: int = Field(ge=0)


@dataclass(frozen=True, slots=True)
class SetInstruction:
    """None takes it away."""

    instruction: str | None


@dataclass(frozen=True, slots=True)
class SetRetention:
    retention: float


@dataclass(frozen=True, slots=True)
class SetWatches:
    """All standing queries that there are to be."""

    watches: tuple[wire.WatchCreate, ...]


Request = wire.AskRequest | SetInstruction | SetRetention | SetWatches | Replay
_WATCHES = TypeAdapter(list[wire.WatchCreate])
_NUMBER = TypeAdapter(float)


def _ask(payload: bytes) -> wire.AskRequest:
    """JSON, or the question as it is."""
    if payload.lstrip()[:1] == b"{":
        return wire.AskRequest.model_validate_json(payload)
    return wire.AskRequest(question=_text(payload))


def _instruction(payload: bytes) -> SetInstruction:
    patch = wire.SessionPatch(instruction=_text(payload) or None)
    return SetInstruction(patch.instruction)


def _retention(payload: bytes) -> SetRetention:
    patch = wire.SessionPatch(retention=_NUMBER.validate_json(payload, strict=True))
    assert patch.retention is not None
    return SetRetention(patch.retention)


def _watches(payload: bytes) -> SetWatches:
    watches = _WATCHES.validate_json(payload)
    if len(watches) > MOST_WATCHES:
        said = f"a session has at most {MOST_WATCHES} watches, not {len(watches)}"
        raise Malformed(f"{said}: all stay as they are", "watches")
    if len({(watch.kind, watch.query) for watch in watches}) < len(watches):
        raise Malformed("each query may stand once", "query")
    for place, watch in enumerate(watches):
        before = (one.query for one in watches[:place] if one.kind == watch.kind)
        if shared := alike(watch.query, before):
            raise Malformed(shared, f"{place}.query")
    return SetWatches(tuple(watches))


def _text(payload: bytes) -> str:
    try:
        return payload.decode().strip()
    except UnicodeDecodeError:
        raise Malformed("the payload must be UTF-8 text") from None


READERS: dict[str, Callable[[bytes], Request]] = {
    "ask": _ask,
    "instruction/set": _instruction,
    "retention/set": _retention,
    "watches/set": _watches,
    "replay": Replay.model_validate_json,
}


# What is to be sent where an empty payload says nothing.
EMPTY = {
    "retention/set": "a number above 0 and at most 1",
    "watches/set": "a JSON list of watches, [] for none",
    "replay": '{"after": number}',
}


# What a payload of JSON is to be.
MODELS = {"ask": wire.AskRequest, "watches/set": wire.WatchCreate, "replay": Replay}


def subscriptions(topics: Topics) -> list[str]:
    """What the bridge listens to."""
    return [*(topics.of("+", kind) for kind in READERS), topics.birth]


def name_of(topics: Topics, topic: str) -> tuple[str, str]:
    """The session's name and the kind of request that a topic of ours stands for."""
    name, _, kind = topic.removeprefix(f"{topics.prefix}/").partition("/")
    return name, kind


def read(kind: str, payload: bytes) -> Request:
    """Raises Malformed."""
    if len(payload) > MOST_BYTES:
        raise Malformed(f"a payload holds at most {MOST_BYTES} bytes, not {len(payload)}")
    if not payload.strip() and kind in EMPTY:
        raise Malformed(f"there is nothing in it: send {EMPTY[kind]}")
    try:
        return READERS[kind](payload)
    except ValidationError as error:
        fault = fault_of(error, MODELS.get(kind))
        raise Malformed(fault.said, fault.param) from None
