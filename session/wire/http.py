"""Bodies of HTTP requests and responses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from session.wire.nouns import (
    DEFAULT_ANSWER_TOKENS,
    MAX_ANSWER_TOKENS,
    MAX_INSTRUCTION_CHARS,
    MAX_SELECTOR_CHARS,
    Answer,
    Conversation,
    ErrorDetail,
    Incoming,
    Outgoing,
    Session,
    UseOfNotes,
)

ROOM = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"  # "." and ".." are no parts of a path
DEFAULT_ROOM = "default"
MAX_PAGE = 200
DEFAULT_PAGE = 50
NEWEST = "newest"  # a page before it ends with the newest


class ErrorBody(Outgoing):
    """The body of every response with a status of 400 or above."""

    error: ErrorDetail


class SessionList(Outgoing):
    """`GET /v1/sessions`: those that are here, oldest first; with `?state=ended&before={id}` those
    of the journal, newest first, and `has_more` where the page does not hold the oldest."""

    sessions: list[Session]
    has_more: bool = False


class SessionPatch(Incoming):
    """`PATCH /v1/sessions/{id}`: what is absent stays; an instruction of null returns to none."""

    instruction: str | None = Field(default=None, max_length=MAX_INSTRUCTION_CHARS)
    retention: float | None = Field(default=None, gt=0.0, le=1.0)
    selector: str | None = Field(default=None, max_length=MAX_SELECTOR_CHARS)
    slots: int | None = Field(default=None, gt=0)


class SessionCreate(SessionPatch):
    """`POST /v1/sessions`: a session that waits for its sender, with its settings.

    The sender attaches to it by `POST /whip/{room}?session={id}`.
    """

    room: str = Field(default=DEFAULT_ROOM, pattern=ROOM)


class AskRequest(Incoming):
    """`POST /v1/sessions/{id}/ask`. With `conversation: none` it leaves no trace in the history.

    `notes`: whether it is answered from the notes; `auto`: where it names a time before the oldest
    moment that is remembered, and something was noted then. A session that has ended remembers
    nothing else: it answers from its notes or not at all.
    """

    question: str
    max_tokens: int = Field(default=DEFAULT_ANSWER_TOKENS, gt=0, le=MAX_ANSWER_TOKENS)
    conversation: Conversation = "auto"
    notes: UseOfNotes = "auto"


class AnswerList(Outgoing):
    """`GET /v1/sessions/{id}/answers?after={id}&limit={n}`: a page of them, in the order in which
    they were finished: none comes before one that has been read.

    While `has_more`, the next page comes after the last answer of this one; or, where the page was
    asked for by `before={id}`, before the first. `before=newest` asks for the newest of all.
    """

    answers: list[Answer]
    has_more: bool


class Health(Outgoing):
    """`GET /healthz`: the process answers."""

    status: Literal["ok"] = "ok"


class Ready(Outgoing):
    """`GET /readyz`: 200 when a new session would be served, 503 with the reason otherwise."""

    ready: bool
    reason: str | None
    unrecorded: str | None = None  # why the journal cannot be written
    model: str
    sessions: int
    capacity: int
    horizon_s: float  # how far back closed windows are remembered, at most


class SelectorChoice(Outgoing):
    """A name for the setting `selector`, and what it keeps."""

    name: str
    says: str


class SelectorList(Outgoing):
    """`GET /v1/selectors`: those that the service's model can be used with."""

    selectors: list[SelectorChoice]


class DemoQuestion(Outgoing):
    """A question about the demo scene that has one right answer when asked at `asked_s`.

    A `lasting` one has it whenever the scene passes that moment, also when it has begun again: the
    answer rests on the newest of something. That of the others holds the first time only."""

    kind: str
    text: str
    answer: str
    asked_s: float
    chance: float  # share of right answers when guessing within the clip
    lasting: bool


class DemoQuestions(Outgoing):
    """`GET /v1/demo/questions`: what can be asked about `scene.webm` of the same seed."""

    seed: int
    seconds: int
    questions: list[DemoQuestion]
