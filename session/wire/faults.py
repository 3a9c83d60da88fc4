"""What is wrong with a message that does not fit its model, in words for whoever wrote it.

Of every surface: pydantic's own texts are those of Python, and say seldom what would be right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from session.wire.http import ROOM

EMPTY = "there is nothing in it: send an object of JSON"
MOST_SHOWN = 60  # characters of a value, or of a name
PATTERNS = {ROOM: "1 to 64 of the characters A-Z a-z 0-9 . _ -, no dot first"}

# What would be right, by pydantic's name of the error; in braces what its context holds.
TYPES = {
    "string_type": "a text",
    "string_unicode": "a text in UTF-8",
    "path_type": "a path as text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number that is not so long",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "literal_error": "{expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
}
LENGTHS = {
    "string_too_short": "must have at least {min_length} characters, not {length}",
    "string_too_long": "must have at most {max_length} characters, not {length}",
    "too_short": "must have at least {min_length} entries, not {length}",
    "too_long": "must have at most {max_length} entries, not {length}",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`param`: the field at fault, with dots between what lies within each other; None: the whole
    message. As text, both in a sentence."""

    param: str | None
    said: str

    def __str__(self) -> str:
        return f"{shortened(self.param)}: {self.said}" if self.param else self.said


def fault_of(error: ValidationError, model: Any = None) -> Fault:
    """The first thing that is wrong; with the `model` that was to be met (or a union of models),
    also which fields there are."""
    first = error.errors(include_url=False)[0]
    # A tag with a dot (`session.update`) tells the kind of message, which is no field of it.
    parts = [part for part in map(str, first["loc"]) if "." not in part]
    if first["type"].startswith("union_tag_"):
        parts.append(first["ctx"]["discriminator"].strip("'"))
    said = sentence(first)
    if not parts and first["type"] in TYPES:
        said = f"the message {said}"
    if first["type"] == "extra_forbidden" and (known := fields_at(model, first["loc"][:-1])):
        said += f"; there are {', '.join(known)}"
    return Fault(".".join(parts) or None, said)


def is_no_json(error: ValidationError) -> bool:
    return error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"


def sentence(
    error: ErrorDetails, *, told: bool = True, patterns: Mapping[str, str] = PATTERNS
) -> str:
    """What is wrong with a value and what would be right, without its name. The value is shown
    unless it may be a secret (`told`); `patterns`: what they ask for, in words."""
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "missing" | "union_tag_not_found":
            return "must be there"
        case "extra_forbidden":
            return "there is no such field"
        case "json_invalid":
            return f"this is not JSON: {context['error']}" if found else EMPTY
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
    if kind in LENGTHS:
        text = LENGTHS[kind] if found else "must not be empty"
        return text.format(**context, length=len(found))
    if (right := _right(error, patterns)) is None:
        return error["msg"][:1].lower() + error["msg"][1:]
    return f"must be {right}" + (f", not {shown(context.get('tag', found))}" if told else "")


def _right(error: ErrorDetails, patterns: Mapping[str, str]) -> str | None:
    """What a value would have to be; None where there are no words for it."""
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return patterns.get(context["pattern"], f"of the form {context['pattern']}")
    if isinstance(found, float) and not math.isfinite(found):
        return "a finite number"
    words = {name: _plain(value) for name, value in context.items()}
    return TYPES[kind].format(**words) if kind in TYPES else None


def shown(value: object) -> str:
    """A value in the words of JSON, as long as fits a line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return shortened(repr(value))


def shortened(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _plain(value: object) -> object:
    """A bound without the .0 of Python."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- Which fields there are -----------------------------------------------------------------------


def fields_at(model: Any, path: tuple[int | str, ...]) -> list[str]:
    """The fields that there are at a place within a model, or within one of a union; none where
    it is no object."""
    kinds = list(_models(model))
    for part in path:
        within = [
            found
            for kind in kinds
            if (field := kind.model_fields.get(str(part)))
            for found in _models(field.annotation)
        ]
        tagged = [kind for kind in kinds if part in _tags(kind)]
        kinds = within or tagged or kinds  # the place in a list leads to no other model
    return list(dict.fromkeys(name for kind in kinds for name in kind.model_fields))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """All models of an annotation: of an option, a list, a union, also with metadata."""
    if isinstance(annotation, TypeAdapter):
        yield from _models(annotation._type)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _models(inner)


def _tags(kind: type[BaseModel]) -> tuple[Any, ...]:
    """The kinds of message that a model stands for."""
    fields = [kind.model_fields[name] for name in ("type", "kind") if name in kind.model_fields]
    literals = [field.annotation for field in fields if get_origin(field.annotation) is Literal]
    return tuple(tag for literal in literals for tag in get_args(literal))
