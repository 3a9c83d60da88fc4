"""A line of JSON as common trainers write it -> a conversation about a clip.

Two shapes are read:

* content parts: ``{"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"},
  {"type": "text", "text": "..."}]}, {"role": "assistant", "content": "..."}]}``; a part is of type
  ``text``, ``video``, ``audio``, ``video_url`` or ``audio_url``;
* placeholders: ``{"messages": [{"role": "user", "content": "<video><audio>..."}, ...],
  "videos": ["a.mp4"], "audios": ["a.wav"]}``.

Besides: a ``system`` message or field, several turns, ``options`` (a list) and ``answer`` (a letter
or an option) of a last question of choices. docs/TRAINING.md tells it to users.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sieve.faults import sentence

CHOICE_CUE = "Answer with the option's letter from the given choices directly."
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTERED = re.compile(r"^\s*\(?([A-Z])[.):]\s+", re.MULTILINE)
_LETTER_ALONE = re.compile(r"\(?([A-Z])\)?[.):]?")
_PLACE = re.compile(r"<(video|audio)>")
_LATEST_S = 1e7  # of a span: four months


class Unusable(Exception):
    """Why a line cannot be used."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer; None where a teacher is still to answer it."""

    question: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Files as they are named, at least one of them; the span of them; what is said about it."""

    video: str | None
    audio: str | None
    start_s: float
    end_s: float | None
    turns: tuple[Turn, ...]
    instruction: str | None


# -- what a line may look like ----------------------------------------------------------------


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


_Name = Annotated[str, Field(min_length=1)]
_Seconds = Annotated[float, Field(ge=0, le=_LATEST_S)]


class _Url(_Strict):
    url: _Name


class _TextPart(_Strict):
    type: Literal["text"]
    text: str


class _VideoPart(_Strict):
    type: Literal["video"]
    video: _Name
    video_start: _Seconds = 0.0
    video_end: _Seconds | None = None


class _AudioPart(_Strict):
    type: Literal["audio"]
    audio: _Name


class _VideoUrlPart(_Strict):
    type: Literal["video_url"]
    video_url: _Url


class _AudioUrlPart(_Strict):
    type: Literal["audio_url"]
    audio_url: _Url


_Part = Annotated[
    _TextPart | _VideoPart | _AudioPart | _VideoUrlPart | _AudioUrlPart,
    Field(discriminator="type"),
]


class _Message(_Strict):
    role: Literal["system", "user", "assistant"]
    content: str | list[_Part]


class _Record(_Strict):
    messages: list[_Message] = Field(min_length=1)
    videos: list[_Name] = []
    audios: list[_Name] = []
    system: str | None = None
    options: list[str] | None = Field(default=None, min_length=2, max_length=len(_LETTERS))
    answer: str | None = None


# -- what it says -----------------------------------------------------------------------------


def conversation(line: bytes) -> Conversation:
    """What a line says. Raises Unusable with the reason."""
    record = _record(line)
    said = list(record.messages)
    system = record.system
    if said[0].role == "system":
        system = _text(said.pop(0))
    _check_roles(said, record.answer)
    video, audio, span = _files(said, record)
    return Conversation(video, audio, *span, _turns(said, record), system)


def _record(line: bytes) -> _Record:
    try:
        value = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()
        return _Record.model_validate(value)
    except ValidationError as error:
        raise Unusable(_amiss(error)) from None
    except UnicodeEncodeError:  # no tokenizer reads it
        raise Unusable("the line: holds half of a character (UTF-16)") from None
    except RecursionError:
        raise Unusable("not JSON: nested too deeply") from None
    except ValueError as error:  # no JSON, or no UTF-8
        raise Unusable(f"not JSON: {error}") from None


def _amiss(error: ValidationError) -> str:
    """The first fault; where a value may be of several types, that of the type it comes closest
    to."""
    first = max(error.errors(include_url=False), key=lambda fault: len(fault["loc"]))
    names = [str(part) for part in first["loc"]]
    place = ".".join(name for name in names if name.isidentifier() or name.isdigit())
    return f"{place.removesuffix('.str') or 'the line'}: {sentence(first)}"


def _check_roles(said: Sequence[_Message], answer: str | None) -> None:
    roles = [message.role for message in said]
    for i, role in enumerate(roles):
        right = "assistant" if i % 2 else "user"
        if role != right:
            raise Unusable(f"messages: user and assistant take turns, not {', '.join(roles)}")
    if not roles:
        raise Unusable("messages: the user asks nothing")
    if len(roles) % 2 and answer is None:
        raise Unusable("messages: the last question has no answer")
    if len(roles) % 2 == 0 and answer is not None:
        raise Unusable("answer: the messages end with an answer already; give one of the two")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where media belong; ``file`` None: the next of the list beside the messages."""

    kind: Literal["video", "audio"]
    file: str | None
    start_s: float = 0.0
    end_s: float | None = None


def _places(message: _Message) -> list[_Place]:
    if isinstance(message.content, str):
        kinds = _PLACE.findall(message.content)
        return [_Place("video" if kind == "video" else "audio", None) for kind in kinds]
    return [place for part in message.content if (place := _place(part)) is not None]


def _place(part: _Part) -> _Place | None:
    match part:
        case _VideoPart():
            return _Place("video", part.video, part.video_start, part.video_end)
        case _AudioPart():
            return _Place("audio", part.audio)
        case _VideoUrlPart():
            return _Place("video", part.video_url.url)
        case _AudioUrlPart():
            return _Place("audio", part.audio_url.url)
    return None


def _files(
    said: Sequence[_Message], record: _Record
) -> tuple[str | None, str | None, tuple[float, float | None]]:
    """Video and audio file of the clip, and the span of them."""
    if any(_places(message) for message in said[1:]):
        raise Unusable("messages: media belong into the first message of the user")
    places = _places(said[0])
    videos = [place for place in places if place.kind == "video"]
    audios = [place for place in places if place.kind == "audio"]
    if len(videos) > 1 or len(audios) > 1 or not places:
        raise Unusable(
            f"messages: the first one of the user has {len(videos)} videos and {len(audios)} audio "
            "files: a clip has one of either, or one of both"
        )
    video = _file(videos, record.videos, "videos")
    audio = _file(audios, record.audios, "audios")
    start_s, end_s = (videos or audios)[0].start_s, (videos or audios)[0].end_s
    if end_s is not None and end_s <= start_s:
        raise Unusable(f"video_end: {end_s:g} s is not after video_start, {start_s:g} s")
    return video, audio, (start_s, end_s)


def _file(places: Sequence[_Place], listed: Sequence[str], name: str) -> str | None:
    wanted = [place for place in places if place.file is None]
    if len(wanted) != len(listed):
        raise Unusable(f"{name}: {len(listed)} are listed for {len(wanted)} <{name[:-1]}>")
    if not places:
        return None
    file = (places[0].file or listed[0]).removeprefix("file://")
    if "://" in file:
        raise Unusable(f"{file}: media are read from files, not from the network")
    return file


def _turns(said: Sequence[_Message], record: _Record) -> tuple[Turn, ...]:
    texts = [_text(message) for message in said]
    if record.answer is not None:
        texts.append(record.answer.strip())
    if not all(texts):
        raise Unusable(f"messages: text {texts.index('') + 1} is empty")
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    turns = [_plain_turn(question, answer) for question, answer in pairs]
    if record.options is not None:
        turns[-1] = choice_turn(*pairs[-1], record.options)
    return tuple(turns)


def _text(message: _Message) -> str:
    if isinstance(message.content, str):
        return _PLACE.sub("", message.content).strip()
    return "\n".join(p.text for p in message.content if isinstance(p, _TextPart)).strip()


def _plain_turn(question: str, answer: str) -> Turn:
    """Where the question lists lettered options itself, a letter as answer must be one of them."""
    letters = _LETTERED.findall(question)
    alone = _LETTER_ALONE.fullmatch(answer)
    if len(letters) > 1 and alone and alone[1] not in letters:
        raise Unusable(f"answer: {answer!r} is not among the options {', '.join(letters)}")
    return Turn(question, answer)


def choice_turn(question: str, answer: str, options: Sequence[str]) -> Turn:
    """A question of choices: the options under it, a letter as its answer. ``answer`` is a letter
    or the text of an option. Raises Unusable where it is neither."""
    labels = [found[1] for option in options if (found := _LETTERED.match(option))]
    if len(labels) == len(options) and labels != list(_LETTERS[: len(labels)]):
        raise Unusable(
            f"options: lettered {', '.join(labels)}; "
            f"{', '.join(_LETTERS[: len(labels)])} would be right"
        )
    bare = [_LETTERED.sub("", option).strip() for option in options]
    if len(set(bare)) < len(bare) or "" in bare:
        raise Unusable("options: each says something, and no two say the same")
    letters = _LETTERS[: len(bare)]
    alone = _LETTER_ALONE.fullmatch(answer)
    text = _LETTERED.sub("", answer).strip()
    if alone and alone[1] in letters:
        letter = alone[1]
    elif text in bare:
        letter = letters[bare.index(text)]
    else:
        raise Unusable(f"answer: {answer!r} is not among the options {', '.join(letters)}")
    lines = [f"{letter}. {option}" for letter, option in zip(letters, bare, strict=True)]
    return Turn("\n".join([question, "Options:", *lines, CHOICE_CUE]), letter)
