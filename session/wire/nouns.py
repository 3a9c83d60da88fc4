"""The two bases of all messages, and the nouns that several surfaces share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

MAX_QUESTION_CHARS = 4_000
MAX_INSTRUCTION_CHARS = 4_000
MAX_SELECTOR_CHARS = 64
MAX_ANSWER_TOKENS = 256
DEFAULT_ANSWER_TOKENS = 64

SessionState = Literal["waiting", "connecting", "live", "ended"]
AnswerStatus = Literal["completed", "truncated", "cancelled", "failed"]
OverloadLevel = Literal["none", "frame_rate", "retention", "skipped"]
Conversation = Literal["auto", "none"]
UseOfNotes = Literal["auto", "only", "never"]
Role = Literal["publish", "ask", "watch", "admin"]
"""`publish`: send media and change its session's settings. `watch`: see sessions, events, answers
and notes. `ask`: what `watch` may, and put questions. `admin`: everything."""


class Incoming(BaseModel):
    """Something a client sends: unknown fields are an error, types are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Outgoing(BaseModel):
    """Something the service sends: a reader ignores fields that are newer than itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Counts(Outgoing):
    """Tokens by modality."""

    video: int
    audio: int


class Span(Outgoing):
    """A stretch of session time [start_s, end_s)."""

    start_s: float
    end_s: float


class Gap(Outgoing):
    """A stretch in which a track brought nothing."""

    kind: Literal["video", "audio"]
    start_s: float
    end_s: float


class GridMap(Outgoing):
    """Which cells of one temporal grid were kept: row-major indices into rows x cols.

    The grid covers the picture from its left upper corner to its right lower one; `time_s` is the
    start of the stretch of `grid_s` seconds that it stands for.
    """

    time_s: float
    grid_s: float
    rows: int
    cols: int
    kept: list[int]


class KeptMap(Outgoing):
    """What the sieve kept of the window [start_s, ...).

    `audio_kept` are token indices of 40 ms each, counted from the window's start.
    """

    start_s: float
    seen: Counts
    kept: Counts
    grids: list[GridMap]
    audio_kept: list[int]


class Memory(Outgoing):
    """The fill of a session's memory, in slots (one token each), the prompt included."""

    slots: int
    used: int
    prompt: int
    video: int
    audio: int
    bytes: int
    oldest_s: float | None
    newest_s: float | None


class ErrorDetail(Outgoing):
    """What was wrong; `param` names the field, `event_id` the data channel event at fault."""

    type: str
    message: str
    param: str | None = None
    code: str | None = None
    event_id: str | None = None
    missing_role: Role | None = None  # that the token would have to have; None: not what was wrong


class Answer(Outgoing):
    """An answer and what it rests on. `text` is what was said so far when it was cut short; where
    the service stopped meanwhile, it is `cancelled` with an `error`."""

    id: str
    session: str
    question: str
    text: str
    status: AnswerStatus
    asked_at: float  # Unix seconds
    asked_s: float
    newest_frame_s: float | None  # capture time of the newest frame seen
    spans: list[Span]  # the stretches of the stream it can attend to, or of the notes
    notes: list[str] = []  # those that it is answered from, where it is
    first_token_ms: float | None  # from the question's arrival; None when it ended before one
    total_ms: float
    seen: Counts  # raw tokens of the windows it rests on
    kept: Counts  # tokens it could attend to
    retention: float  # in force when it was asked
    output_tokens: int
    second_look: KeptMap | None  # what was kept of the still open window, question known
    error: ErrorDetail | None = None  # why it failed, or was cut off, when it was

    @property
    def cut_off(self) -> ErrorDetail | None:
        """Why it was cancelled, where nobody asked for that."""
        return self.error if self.status == "cancelled" else None


class Session(Outgoing):
    """A stream and what is set for it.

    `waiting`: no sender has come yet; `connecting`: its first media has not; `ended`: kept in the
    journal, and opened again by a sender that attaches to it. The clock then goes on where it
    stood, so what an answer rests on (`Answer.spans`) shows that nothing older is remembered.
    """

    id: str
    room: str
    state: SessionState
    reason: str | None = None  # why it ended
    created_at: float  # Unix seconds
    clock_s: float
    has_video: bool | None  # None until the first window closed
    has_audio: bool | None
    instruction: str | None
    retention: float
    selector: str  # what chooses the tokens
    memory: Memory
    windows: int  # ingested so far
    skipped: int  # windows lost to overload
    behind_windows: int  # closed, waiting to be ingested
    overload: OverloadLevel
    answering: int  # questions in flight
