"""All messages of the data channel, both ways."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from session.wire.extensions import (
    AttendantMessage,
    NotesListed,
    NotesSetTo,
    RenewToken,
    SieveClosed,
    SieveCount,
    SieveNote,
    SieveOverload,
    SieveSkipped,
    SieveUnanswered,
    SieveWatch,
    SieveWindow,
    WatchDeleted,
    WatchesListed,
    WatchMade,
    WatchSet,
)
from session.wire.realtime import (
    CancelResponse,
    ContentPartAdded,
    ContentPartDone,
    CreateItem,
    CreateResponse,
    DeleteItem,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    RealtimeError,
    RealtimeSessionCreated,
    RealtimeSessionUpdated,
    ResponseCreated,
    ResponseDone,
    RetrieveItem,
    UpdateSession,
)

ClientMessage = Annotated[
    UpdateSession
    | CreateItem
    | RetrieveItem
    | DeleteItem
    | CreateResponse
    | CancelResponse
    | RenewToken
    | AttendantMessage,
    Field(discriminator="type"),
]

AttendantReply = WatchMade | WatchesListed | WatchSet | WatchDeleted | NotesSetTo | NotesListed

ServerMessage = Annotated[
    RealtimeSessionCreated
    | RealtimeSessionUpdated
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
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
    | SieveWatch
    | SieveCount
    | SieveUnanswered
    | SieveNote
    | SieveClosed
    | AttendantReply,
    Field(discriminator="type"),
]

CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
SERVER_MESSAGE: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
