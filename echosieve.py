"""EchoSieve's public import: `from echosieve import EchoSieve`.

Everything comes from `clients.sdk`, `errors` and `wire` (the models) included, and only when it is
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clients.media import webcam as webcam
    from clients.sdk import Asking as Asking
    from clients.sdk import Backoff as Backoff
    from clients.sdk import EchoSieve as EchoSieve
    from clients.sdk import EventStream as EventStream
    from clients.sdk import Publication as Publication
    from clients.sdk import Session as Session
    from clients.sdk import SyncEchoSieve as SyncEchoSieve
    from clients.sdk import Timeouts as Timeouts
    from clients.sdk import errors as errors
    from session import wire as wire

__all__ = [
    "Asking",
    "Backoff",
    "EchoSieve",
    "EventStream",
    "Publication",
    "Session",
    "SyncEchoSieve",
    "Timeouts",
    "errors",
    "webcam",
    "wire",
]

_MODULES = {"errors": "clients.sdk.errors", "wire": "session.wire"}
_ELSEWHERE = {"webcam": "clients.media"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"echosieve has no {name!r}; it has {', '.join(__all__)}")
    if name in _MODULES:
        return import_module(_MODULES[name])
    return getattr(import_module(_ELSEWHERE.get(name, "clients.sdk")), name)


def __dir__() -> list[str]:
    return __all__
