"""The data channel: names and shapes of the OpenAI Realtime API for what they cover.

What is ours has a type that starts with `x.` (`session.wire.extensions`), or stands under a field
named `x`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from session.wire.nouns import (
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

MAX_EVENT_ID_CHARS = 512

ResponseStatus = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]
ItemStatus = Literal["completed", "in_progress", "incomplete"]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


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
    event_id: str | None = Field(default=None, max_length=MAX_EVENT_ID_CHARS)


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
    """At the end of the conversation, so `previous_item_id` can only be the newest item's."""

    type: Literal["conversation.item.create"]
    item: UserMessage
    previous_item_id: str | None = Field(default=None, max_length=64)


class RetrieveItem(ClientEvent):
    """One of the newest items of this channel, as it is now."""

    type: Literal["conversation.item.retrieve"]
    item_id: str = Field(max_length=64)


class DeleteItem(ClientEvent):
    """Takes a question and its answer out of what later questions are read with; each is told as
    deleted. What is on record (`GET .../answers`) stays."""

    type: Literal["conversation.item.delete"]
    item_id: str = Field(max_length=64)


class SieveAsked(Incoming):
    """Whether the notes answer it, as in `AskRequest`."""

    notes: UseOfNotes = "auto"


class ResponseSettings(Incoming):
    """`conversation: none` with `input` asks beside the conversation and leaves no trace in it."""

    conversation: Conversation = "auto"
    input: list[UserMessage] | None = Field(default=None, min_length=1, max_length=16)
    max_output_tokens: int | None = Field(default=None, gt=0, le=MAX_ANSWER_TOKENS)
    output_modalities: list[Literal["text"]] | None = None
    metadata: Metadata | None = None
    x: SieveAsked = SieveAsked()


class CreateResponse(ClientEvent):
    """Answers the newest item that has no answer yet, or `input`."""

    type: Literal["response.create"]
    response: ResponseSettings | None = None


class CancelResponse(ClientEvent):
    """Without a `response_id`, the newest response."""

    type: Literal["response.cancel"]
    response_id: str | None = Field(default=None, max_length=64)


class RealtimeSession(Outgoing):
    object: Literal["realtime.session"] = "realtime.session"
    type: Literal["realtime"] = "realtime"
    id: str
    model: str
    instructions: str | None
    output_modalities: list[Literal["text"]] = Field(default=["text"])
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
    output: list[Item] = Field(default=[])
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


class ItemRetrieved(ServerEvent):
    type: Literal["conversation.item.retrieved"] = "conversation.item.retrieved"
    item: Item


class ItemDeleted(ServerEvent):
    type: Literal["conversation.item.deleted"] = "conversation.item.deleted"
    item_id: str


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
