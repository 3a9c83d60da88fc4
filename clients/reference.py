"""Writes docs/REFERENCE.md from docstrings and models: `python -m clients.reference`."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import clients.sdk as sdk
from clients import media
from clients.sdk import errors
from clients.sdk.notes import Notes
from clients.sdk.session import Settings
from clients.sdk.watches import Watches, WatchSettings
from session.wire import access, events, extensions, http, nouns, realtime, watching

TARGET = Path(__file__).parent.parent / "docs" / "REFERENCE.md"
HEAD = """# Reference

Made from docstrings and models by `python -m clients.reference`; a test holds it up to date.
[SDK.md](SDK.md) shows how to use it.
"""
CLASSES: list[type] = [
    sdk.EchoSieve,
    sdk.Sessions,
    sdk.Session,
    sdk.Asking,
    sdk.EventStream,
    sdk.Publication,
    Watches,
    Notes,
    sdk.Timeouts,
    sdk.Backoff,
]
MADE = {sdk.EchoSieve, sdk.Timeouts, sdk.Backoff}  # by the user; all others come from these
SETTINGS: list[type] = [Settings, WatchSettings]
MODELS = {
    "What everything is made of": nouns,
    "Events": events,
    "Standing queries and notes": watching,
    "HTTP": http,
    "Access": access,
    "The data channel: names of the OpenAI Realtime API": realtime,
    "The data channel: names of our own": extensions,
}
BOUNDS = {Gt: ("gt", "> {}"), Ge: ("ge", ">= {}"), Lt: ("lt", "< {}"), Le: ("le", "<= {}")}
LENGTHS = {MaxLen: ("max_length", "at most {} long"), MinLen: ("min_length", "at least {} long")}


def reference() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sdk(), *_media(), *_errors(), *_models()]).rstrip() + "\n"


# --- The SDK --------------------------------------------------------------------------------------


def _sdk() -> Iterator[str]:
    yield "## The SDK\n"
    yield "`SyncEchoSieve` and its kin have the same methods without `await`.\n"
    for kind in CLASSES:
        yield f"### {kind.__name__}\n"
        if kind in MADE:
            yield f"**`{kind.__name__}{_signature(kind).removesuffix(' -> None')}`**\n"
        yield from _text(kind)
        if is_dataclass(kind):
            yield from _fields(kind.__annotations__, _comments(kind), {})
        for name, member in vars(kind).items():
            if not name.startswith("_") or name == "__aiter__":
                yield from _member(name, member)
    for kind in SETTINGS:
        yield f"### {kind.__name__}\n"
        yield from _text(kind)
        yield from _fields(kind.__annotations__, _comments(kind), {})


def _member(name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        yield f"**`{name}`**\n"
        yield from _text(member.fget)
    elif inspect.isfunction(member):
        word = "async for" if name == "__aiter__" else "await "
        before = word if inspect.iscoroutinefunction(member) or name == "__aiter__" else ""
        shown = " ... in" if name == "__aiter__" else name + _signature(member)
        yield f"**`{before}{shown}`**\n"
        yield from _text(member)


def _signature(function: Any) -> str:
    """The parameters as they are written, without self."""
    whole = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    return re.sub(r"\(self(, )?", "(", whole, count=1)


def _media() -> Iterator[str]:
    yield "### webcam\n"
    yield from _member("webcam", media.webcam)


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "`from echosieve import errors`\n"
    yield f"```text\n{(inspect.getdoc(errors) or '').partition(chr(10) * 2)[2]}\n```\n"


# --- Models ---------------------------------------------------------------------------------------


def _models() -> Iterator[str]:
    for title, module in MODELS.items():
        yield f"## {title}\n"
        for model in _models_of(module):
            yield f"### wire.{model.__name__}\n"
            yield from _text(model)
            yield from _fields(_annotations(model), _comments(model), model.model_fields)


def _models_of(module: ModuleType) -> list[type[BaseModel]]:
    """Those that the module itself defines, in its order."""
    found = [kind for kind in vars(module).values() if inspect.isclass(kind)]
    own = [kind for kind in found if kind.__module__ == module.__name__]
    return [kind for kind in own if issubclass(kind, BaseModel) and kind.model_fields]


def _annotations(model: type[BaseModel]) -> dict[str, str]:
    """Field and type as they are written, those of the bases first."""
    written: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        written |= {n: str(a) for n, a in inspect.get_annotations(kind).items()}
    return {name: written[name] for name in model.model_fields}


def _comments(kind: type) -> dict[str, str]:
    """What stands beside a field in the source."""
    sources = [inspect.getsource(base) for base in reversed(kind.__mro__) if _is_ours(base)]
    lines = (line for source in sources for line in source.splitlines())
    found = (re.match(r"    (\w+): .*?  # (.+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith(("session.", "clients."))


def _fields(
    annotations: dict[str, Any], comments: dict[str, str], fields: dict[str, FieldInfo]
) -> Iterator[str]:
    yield "| field | type | |\n|---|---|---|"
    for name, annotation in annotations.items():
        kind = re.sub(r"^ForwardRef\('(.*?)'.*\)$", r"\1", str(annotation))
        said = [*_default(fields.get(name)), *_bounds(fields.get(name))]
        said += [comments[name]] if name in comments else []
        yield f"| `{name}` | `{_in_table(kind)}` | {_in_table('; '.join(said))} |"
    yield ""


def _default(field: FieldInfo | None) -> list[str]:
    if field is None or field.is_required():
        return []
    return [f"default `{field.get_default(call_default_factory=True, validated_data={})!r}`"]


def _bounds(field: FieldInfo | None) -> list[str]:
    found = []
    for bound in field.metadata if field else []:
        name, text = (BOUNDS | LENGTHS).get(type(bound), ("", ""))
        if name:
            found.append(text.format(getattr(bound, name)))
    return found


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _text(thing: Any) -> Iterator[str]:
    if (doc := inspect.getdoc(thing)) and not doc.startswith("A dictionary"):
        yield re.sub(r"(?m)^    (.*\n?)+?(?=^\S|\Z)", _fenced, doc) + "\n"


def _fenced(match: re.Match[str]) -> str:
    return f"```python\n{textwrap.dedent(match[0]).strip()}\n```\n\n"


if __name__ == "__main__":
    TARGET.write_text(reference())
    print(TARGET)
