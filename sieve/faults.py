"""What is wrong with a value in a file, and what would be right, in words for whoever wrote it:
pydantic's own texts are those of Python. (For messages: `session/wire/faults.py`.)"""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST_SHOWN = 60  # characters of a value

# What would be right, by pydantic's name of the error; in braces what its context holds.
TYPES = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def faults(error: ValidationError, whole: str) -> str:
    """All that is wrong, each with the place of the value; `whole`: what they are places in."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or whole} {sentence(fault)}"
        for fault in error.errors(include_url=False)
    )


def sentence(fault: ErrorDetails) -> str:
    """One thing that is wrong, without its name."""
    kind, found, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "missing":
        return "must be there"
    if kind == "json_invalid":
        return f"is not JSON: {context['error']}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is not known here"
    if kind == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    if kind not in TYPES:
        return fault["msg"][:1].lower() + fault["msg"][1:]
    return f"must be {TYPES[kind].format(**context)}, not {shown(found)}"


def shown(value: object) -> str:
    """A value of a file in the words of JSON, as long as fits a line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return "a list"
        case dict():
            return "an object"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
