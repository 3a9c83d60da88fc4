"""Every message on every surface: HTTP bodies, server-sent events, data channel events.

What comes in is refused when it holds a field we do not know (`Incoming`); what goes out may gain
fields later, so a reader of it ignores those it does not know (`Outgoing`). Times ending in `_s`
are seconds on the session clock (0 = the first packet of the stream), `_ms` are durations.

This module imports neither torch nor a media stack: the page, the SDK and bots stand on it alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_QUESTION_CHARS = 4_000
MAX_INSTRUCTION_CHARS = 4_000
MAX_SELECTOR_CHARS = 64
MAX_ANSWER_TOKENS = 256
DEFAULT_ANSWER_TOKENS = 64

SessionState = Literal["connecting", "live", "ended"]
AnswerStatus = Literal["completed", "truncated", "cancelled", "failed"]
OverloadLevel = Literal["none", "frame_rate", "retention", "skipped"]
ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
ItemStatus = Literal["completed", "in_progress", "incomplete"]
Conversation = Literal["auto", "none"]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class Incoming(BaseModel):
    """Something a client sends: unknown fields are an error, types are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Outgoing(BaseModel):
    """Something the service sends: a reader ignores fields that are newer than itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)


# --- Shared nouns ---------------------------------------------------------------------------------


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


class Answer(Outgoing):
    """An answer and what it rests on. `text` is what was said so far when it was cut short."""

    id: str
    session: str
    question: str
    text: str
    status: AnswerStatus
    asked_s: float
    newest_frame_s: float | None  # capture time of the newest frame seen
    spans: list[Span]  # the stretches of the stream it can attend to
    first_token_ms: float | None  # from the question's arrival; None when it ended before one
    total_ms: float
    seen: Counts  # raw tokens of the windows it rests on
    kept: Counts  # tokens it could attend to
    retention: float  # in force when it was asked
    output_tokens: int
    second_look: KeptMap | None  # what was kept of the still open window, question known
    error: ErrorDetail | None = None  # why it failed, when it did


class Session(Outgoing):
    """One live stream and what is set for it."""

    id: str
    room: str
    state: SessionState
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


# --- HTTP -----------------------------------------------------------------------------------------


class ErrorBody(Outgoing):
    """The body of every response with a status of 400 or above."""

    error: ErrorDetail


class SessionList(Outgoing):
    """`GET /v1/sessions`."""

    sessions: list[Session]


class SessionPatch(Incoming):
    """`PATCH /v1/sessions/{id}`: what is absent stays; an instruction of null returns to none."""

    instruction: str | None = Field(default=None, max_length=MAX_INSTRUCTION_CHARS)
    retention: float | None = Field(default=None, gt=0.0, le=1.0)
    selector: str | None = Field(default=None, max_length=MAX_SELECTOR_CHARS)
    slots: int | None = Field(default=None, gt=0)


class AskRequest(Incoming):
    """`POST /v1/sessions/{id}/ask`. With `conversation: none` it leaves no trace in the history."""

    question: str
    max_tokens: int = Field(default=DEFAULT_ANSWER_TOKENS, gt=0, le=MAX_ANSWER_TOKENS)
    conversation: Conversation = "auto"


class Health(Outgoing):
    """`GET /healthz`: the process answers."""

    status: Literal["ok"] = "ok"


class Ready(Outgoing):
    """`GET /readyz`: 200 when a new session would be served, 503 with the reason otherwise."""

    ready: bool
    reason: str | None
    model: str
    sessions: int
    capacity: int


class SelectorChoice(Outgoing):
    """A name for the setting `selector`, and what it keeps."""

    name: str
    says: str


class SelectorList(Outgoing):
    """`GET /v1/selectors`: those that the service's model can be used with."""

    selectors: list[SelectorChoice]


class DemoQuestion(Outgoing):
    """A question about the demo scene that has one right answer when asked at `asked_s`."""

    kind: str
    text: str
    answer: str
    asked_s: float
    chance: float  # share of right answers when guessing within the clip


class DemoQuestions(Outgoing):
    """`GET /v1/demo/questions`: what can be asked about `scene.webm` of the same seed."""

    seed: int
    seconds: int
    questions: list[DemoQuestion]


# --- Server-sent events: GET /v1/sessions/{id}/events ---------------------------------------------
# Each goes out as `id: <number>`, `event: <type>`, `data: <the model as JSON>`.


class SessionCreated(Outgoing):
    type: Literal["session.created"] = "session.created"
    session: Session


class SessionUpdated(Outgoing):
    """Settings changed, or the state did (`connecting` -> `live`)."""

    type: Literal["session.updated"] = "session.updated"
    session: Session


class SessionClosed(Outgoing):
    """The last event of a session; the stream of events ends after it."""

    type: Literal["session.closed"] = "session.closed"
    session: str
    reason: str


class WindowIngested(Outgoing):
    """One window went into the memory. `behind_windows` more are closed and waiting."""

    type: Literal["window.ingested"] = "window.ingested"
    index: int
    start_s: float
    end_s: float
    newest_frame_s: float | None
    kept: KeptMap
    memory: Memory
    evicted: int
    gaps: list[Gap]
    retention: float  # in force for this window
    ingest_ms: float
    behind_windows: int


class WindowSkipped(Outgoing):
    """One window was given up; nothing of it can be asked about."""

    type: Literal["window.skipped"] = "window.skipped"
    index: int
    start_s: float
    end_s: float
    reason: str


class Overload(Outgoing):
    """The level of degradation changed; `none` means recovered."""

    type: Literal["overload"] = "overload"
    level: OverloadLevel
    reason: str
    behind_windows: int


class AnswerStarted(Outgoing):
    type: Literal["answer.started"] = "answer.started"
    id: str
    question: str
    asked_s: float


class AnswerDelta(Outgoing):
    type: Literal["answer.delta"] = "answer.delta"
    id: str
    delta: str


class AnswerDone(Outgoing):
    """The end of an answer, whatever its status."""

    type: Literal["answer.done"] = "answer.done"
    answer: Answer


class ErrorEvent(Outgoing):
    """Something failed in this session; `session.closed` follows when it ended it."""

    type: Literal["error"] = "error"
    error: ErrorDetail


class EventsMissed(Outgoing):
    """Events between `Last-Event-ID` and the oldest one still held are gone."""

    type: Literal["events.missed"] = "events.missed"
    after_id: int
    next_id: int


class EventsDropped(Outgoing):
    """This subscriber read too slowly and is let go; it may come back with `Last-Event-ID`."""

    type: Literal["events.dropped"] = "events.dropped"
    reason: str


Event = Annotated[
    SessionCreated
    | SessionUpdated
    | SessionClosed
    | WindowIngested
    | WindowSkipped
    | Overload
    | AnswerStarted
    | AnswerDelta
    | AnswerDone
    | ErrorEvent
    | EventsMissed
    | EventsDropped,
    Field(discriminator="type"),
]

# --- Data channel: names and shapes of the OpenAI Realtime API for what they cover ----------------
# What is ours has a type that starts with `x.`, or stands under a field named `x`.


class InputText(Incoming):
    type: Literal["input_text"]
    text: str


class UserMessage(Incoming):
    """A question. Its parts are joined by a space."""

    type: Literal["message"]
    role: Literal["user"]
    content: list[InputText] = Field(min_length=1, max_length=16)
    id: str | None = Field(default=None, max_length=64)
    object: Literal["realtime.item"] | None = None
    status: str | None = None

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.content)


class ClientEvent(Incoming):
    event_id: str | None = Field(default=None, max_length=512)


class SieveSettings(Incoming):
    """What a session can set beyond the instruction."""

    retention: float | None = Field(default=None, gt=0.0, le=1.0)
    selector: str | None = Field(default=None, max_length=MAX_SELECTOR_CHARS)
    slots: int | None = Field(default=None, gt=0)


class SessionSettings(Incoming):
    type: Literal["realtime"] = "realtime"
    instructions: str | None = Field(default=None, max_length=MAX_INSTRUCTION_CHARS)
    output_modalities: list[Literal["text"]] | None = None
    x: SieveSettings | None = None


class UpdateSession(ClientEvent):
    type: Literal["session.update"]
    session: SessionSettings


class CreateItem(ClientEvent):
    type: Literal["conversation.item.create"]
    item: UserMessage
    previous_item_id: str | None = None


class ResponseSettings(Incoming):
    """`conversation: none` with `input` asks beside the conversation and leaves no trace in it."""

    conversation: Conversation = "auto"
    input: list[UserMessage] | None = Field(default=None, min_length=1, max_length=16)
    max_output_tokens: int | None = Field(default=None, gt=0, le=MAX_ANSWER_TOKENS)
    output_modalities: list[Literal["text"]] | None = None
    metadata: Metadata | None = None


class CreateResponse(ClientEvent):
    """Answers the newest item that has no answer yet, or `input`."""

    type: Literal["response.create"]
    response: ResponseSettings | None = None


class CancelResponse(ClientEvent):
    """Without a `response_id`, the newest response."""

    type: Literal["response.cancel"]
    response_id: str | None = Field(default=None, max_length=64)


ClientMessage = Annotated[
    UpdateSession | CreateItem | CreateResponse | CancelResponse, Field(discriminator="type")
]


class RealtimeSession(Outgoing):
    object: Literal["realtime.session"] = "realtime.session"
    type: Literal["realtime"] = "realtime"
    id: str
    model: str
    instructions: str | None
    output_modalities: list[Literal["text"]] = ["text"]
    x: Session


class Part(Outgoing):
    """A piece of content; `input_text` and `output_text` in items, `text` in part events."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class Item(Outgoing):
    id: str
    object: Literal["realtime.item"] = "realtime.item"
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["user", "assistant"]
    content: list[Part]


class TokenDetails(Outgoing):
    text_tokens: int
    audio_tokens: int
    image_tokens: int
    cached_tokens: int


class Usage(Outgoing):
    """Input tokens are those in the memory the answer could attend to, and are all cached."""

    total_tokens: int
    input_tokens: int
    output_tokens: int
    input_token_details: TokenDetails


class Response(Outgoing):
    id: str
    object: Literal["realtime.response"] = "realtime.response"
    status: ResponseStatus
    status_details: ErrorDetail | None = None
    output: list[Item] = []
    metadata: dict[str, str] | None = None
    usage: Usage | None = None
    x: Answer | None = None


class ServerEvent(Outgoing):
    event_id: str


class RealtimeSessionCreated(ServerEvent):
    type: Literal["session.created"] = "session.created"
    session: RealtimeSession


class RealtimeSessionUpdated(ServerEvent):
    type: Literal["session.updated"] = "session.updated"
    session: RealtimeSession


class ItemAdded(ServerEvent):
    type: Literal["conversation.item.added"] = "conversation.item.added"
    previous_item_id: str | None
    item: Item


class ItemDone(ServerEvent):
    type: Literal["conversation.item.done"] = "conversation.item.done"
    previous_item_id: str | None
    item: Item


class ResponseCreated(ServerEvent):
    type: Literal["response.created"] = "response.created"
    response: Response


class OutputItemAdded(ServerEvent):
    type: Literal["response.output_item.added"] = "response.output_item.added"
    response_id: str
    output_index: int = 0
    item: Item


class ContentPartAdded(ServerEvent):
    type: Literal["response.content_part.added"] = "response.content_part.added"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    part: Part


class OutputTextDelta(ServerEvent):
    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    delta: str


class OutputTextDone(ServerEvent):
    type: Literal["response.output_text.done"] = "response.output_text.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    text: str


class ContentPartDone(ServerEvent):
    type: Literal["response.content_part.done"] = "response.content_part.done"
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    part: Part


class OutputItemDone(ServerEvent):
    type: Literal["response.output_item.done"] = "response.output_item.done"
    response_id: str
    output_index: int = 0
    item: Item


class ResponseDone(ServerEvent):
    type: Literal["response.done"] = "response.done"
    response: Response


class RealtimeError(ServerEvent):
    type: Literal["error"] = "error"
    error: ErrorDetail


class SieveWindow(ServerEvent):
    type: Literal["x.window.ingested"] = "x.window.ingested"
    window: WindowIngested


class SieveSkipped(ServerEvent):
    type: Literal["x.window.skipped"] = "x.window.skipped"
    window: WindowSkipped


class SieveOverload(ServerEvent):
    type: Literal["x.overload"] = "x.overload"
    overload: Overload


class SieveClosed(ServerEvent):
    type: Literal["x.session.closed"] = "x.session.closed"
    reason: str


ServerMessage = Annotated[
    RealtimeSessionCreated
    | RealtimeSessionUpdated
    | ItemAdded
    | ItemDone
    | ResponseCreated
    | OutputItemAdded
    | ContentPartAdded
    | OutputTextDelta
    | OutputTextDone
    | ContentPartDone
    | OutputItemDone
    | ResponseDone
    | RealtimeError
    | SieveWindow
    | SieveSkipped
    | SieveOverload
    | SieveClosed,
    Field(discriminator="type"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
SERVER_MESSAGE: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
