"""The way in for meeting bots: sound and pictures over a websocket. See docs/MONITOR.md.

    bot -> monitor   {"type": "hello", "audio": true, "video": true, "secret": "..."}
    monitor -> bot   {"type": "ready", "session": "ses_..."}
    bot -> monitor   binary: length of the header (4 bytes, big endian), header (JSON), content
                     {"kind": "audio", "time_s": 1.26}   16 kHz, mono, 16 bit little endian
                     {"kind": "video", "time_s": 1.30}   one JPEG
    bot -> monitor   {"type": "bye"}

Times are seconds since the bot began, of the first sample or the picture, and do not go back.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clients.sdk.errors import EchoSieveError
from session.wire.faults import fault_of

LENGTH = struct.Struct(">I")
MOST_HEADER = 1_024
MOST_MESSAGE = 4 * 1024 * 1024
MOST_RECEIVED = 2 * MOST_MESSAGE  # what is larger is cut by the websocket (1009), without a word
MOST_AUDIO = 10 * 2 * 16_000  # bytes: ten seconds


class BotError(EchoSieveError):
    """A bot does not keep to the protocol; the text is sent to it before it is hung up on."""


class FromBot(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(FromBot):
    """The first message."""

    type: Literal["hello"]
    audio: bool = True
    video: bool = True
    secret: str | None = Field(default=None, max_length=256)


class Bye(FromBot):
    """The last message."""

    type: Literal["bye"]


class Header(FromBot):
    kind: Literal["audio", "video"]
    time_s: float = Field(ge=0.0, le=31_536_000.0, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one binary message brought."""

    header: Header
    content: bytes


def read_hello(message: str | bytes, secret: str | None) -> Hello:
    """Raises BotError."""
    try:
        hello = Hello.model_validate_json(message)
    except ValidationError as error:
        raise BotError(f"the first message must be a hello: {fault_of(error, Hello)}") from None
    if not (hello.audio or hello.video):
        raise BotError("a bot must bring audio, video, or both")
    given = (hello.secret or "").encode()
    if secret is not None and not hmac.compare_digest(given, secret.encode()):
        raise BotError("the secret is not the one this monitor expects")
    return hello


def read_bye(message: str) -> Bye:
    """Raises BotError."""
    try:
        return Bye.model_validate_json(message)
    except ValidationError as error:
        raise BotError(
            'after the hello a text is {"type": "bye"}, sound and pictures are binary: '
            f"{fault_of(error, Bye)}"
        ) from None


class Clock:
    """The newest times of sound and of picture, which do not go back."""

    def __init__(self) -> None:
        self._newest_s = {"audio": 0.0, "video": 0.0}

    def goes_on(self, header: Header) -> None:
        """Raises BotError."""
        newest_s = self._newest_s[header.kind]
        if header.time_s < newest_s:
            raise BotError(
                f"time_s of {header.kind} goes back from {newest_s:g} to {header.time_s:g}: it "
                "counts seconds from the bot's beginning on"
            )
        self._newest_s[header.kind] = header.time_s


def read_piece(message: bytes, hello: Hello) -> Piece:
    """Raises BotError."""
    if len(message) > MOST_MESSAGE:
        raise BotError(f"a message has at most {MOST_MESSAGE} bytes, not {len(message)}")
    if len(message) < LENGTH.size:
        raise BotError("a binary message begins with the length of its header, 4 bytes")
    (length,) = LENGTH.unpack_from(message)
    if length > min(MOST_HEADER, len(message) - LENGTH.size):
        raise BotError(f"a header of {length} bytes does not fit: at most {MOST_HEADER}")
    start = LENGTH.size + length
    try:
        header = Header.model_validate_json(message[LENGTH.size : start])
    except ValidationError as error:
        raise BotError(f"a header must be {{kind, time_s}}: {fault_of(error, Header)}") from None
    promised = hello.audio if header.kind == "audio" else hello.video
    if not promised:
        raise BotError(f"{header.kind} was not promised in the hello")
    content = message[start:]
    if header.kind == "audio" and (not content or len(content) % 2 or len(content) > MOST_AUDIO):
        raise BotError("audio is 16 bit little endian, 16 kHz, mono, at most ten seconds at once")
    return Piece(header, content)


def packed(kind: Literal["audio", "video"], time_s: float, content: bytes) -> bytes:
    """A binary message as a bot sends it."""
    header = Header(kind=kind, time_s=time_s).model_dump_json().encode()
    return LENGTH.pack(len(header)) + header + content
