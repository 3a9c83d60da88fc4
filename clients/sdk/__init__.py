"""The Python SDK of EchoSieve; its public name is `echosieve`.

    from echosieve import EchoSieve

    async with EchoSieve() as client, client.publish("clip.webm") as live:
        async for delta in live.session.ask("what do you see now?"):
            print(delta, end="")

It stands on httpx and pydantic. Publishing media needs the extra `media`, and imports it only then.
"""

from clients.sdk.asking import Asking
from clients.sdk.backoff import Backoff, Timeouts
from clients.sdk.client import EchoSieve, Sessions
from clients.sdk.events import EventStream
from clients.sdk.session import Publication, Session
from clients.sdk.sync import (
    SyncAsking,
    SyncEchoSieve,
    SyncEventStream,
    SyncPublication,
    SyncSession,
    SyncSessions,
)

__all__ = [
    "Asking",
    "Backoff",
    "EchoSieve",
    "EventStream",
    "Publication",
    "Session",
    "Sessions",
    "SyncAsking",
    "SyncEchoSieve",
    "SyncEventStream",
    "SyncPublication",
    "SyncSession",
    "SyncSessions",
    "Timeouts",
]
