"""What transformers prints while it works, and what it says when it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import StrictDataclassError
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """No message and no bar from the library; afterwards its logging is as it was."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


# What the library says of a value in a config, and its kinds in words.
FIELD = re.compile(r"error for field '(.+?)'")
WANTED = re.compile(r"expected (?:a )?(\w+)")
FOUND = re.compile(r"with value (.+?) doesn't match|got \w+ \(value: (.+?)\)|got (\w+)")
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "dict": "an object",
}


def misfit(error: Exception) -> str:
    """Why a model could not be loaded; where a value of its config is why, which, and what would be
    right."""
    if not isinstance(error, StrictDataclassError):
        return first_line(error)
    said = str(error)
    field, found = FIELD.search(said), FOUND.search(said)
    kinds = dict.fromkeys(KINDS[kind] for kind in WANTED.findall(said) if kind in KINDS)
    if not (field and found and kinds):
        return f"config.json: {' '.join(said.split())}"
    value = next(filter(None, found.groups()))
    return f"config.json: {field[1]} must be {' or '.join(kinds)}, not {KINDS.get(value, value)}"


def first_line(error: Exception) -> str:
    """The first line of a library's error; its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
