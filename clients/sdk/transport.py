"""HTTP to one service: its URL, a token, timeouts; every failure is one of `errors`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from clients.sdk.backoff import Timeouts
from clients.sdk.errors import (
    ConnectionLost,
    EchoSieveError,
    Misused,
    Refused,
    ServiceTimeout,
    ServiceUnreachable,
    Unusable,
    invalid,
    refusal,
)
from session.wire.faults import fault_of

M = TypeVar("M", bound=BaseModel)

SAFE_AGAIN = frozenset({"GET", "PATCH", "DELETE"})  # doing them twice does no harm
EVENT_STREAM = "text/event-stream"
STRANGER = " (nothing there has spoken HTTP yet: is this the port of an EchoSieve?)"
NO_TEXT = "a text that was given holds half of a character (UTF-16), which UTF-8 cannot write"
CLOSED = "this client is closed: make another, and use it inside of `async with EchoSieve()`"
ELSEWHERE = (
    "this client belongs to another event loop, where it was used first: make one within each "
    "asyncio.run(), inside of `async with EchoSieve()`; SyncEchoSieve() needs no loop"
)


class Transport:
    """Requests to one service. Bodies and replies are the models of `session.wire`."""

    def __init__(
        self,
        url: str,
        token: str | None,
        timeouts: Timeouts,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """`url` and `token` are checked already."""
        self.url = url
        self._timeouts = timeouts
        headers = {} if not token else {"Authorization": f"Bearer {token}"}
        timeout = httpx.Timeout(timeouts.reply_s, connect=timeouts.connect_s)
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=timeout, transport=transport
        )
        self._loop: asyncio.AbstractEventLoop | None = None  # of the first request
        self._heard = False  # whether anything there ever spoke HTTP

    async def close(self) -> None:
        """Raises Misused on another event loop than that of the requests."""
        if not self._http.is_closed:
            self._must_be_here()
            await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        reply: type[M],
        *,
        body: BaseModel | None = None,
        params: dict[str, str] | None = None,
    ) -> M:
        """Send a message and read the reply. Raises EchoSieveError."""
        response = await self.request(method, path, params=params, **as_json(body))
        try:
            return reply.model_validate_json(response.content)
        except ValidationError as error:
            raise EchoSieveError(
                f"{method} {self.url}{path} answered what is no {reply.__name__}: is this an "
                f"EchoSieve of this version? ({fault_of(error)})"
            ) from error

    def deadline(self) -> float:
        """Until when refusals that say when to come back are tried again (monotonic)."""
        return time.monotonic() + self._timeouts.patience_s

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The reply, read whole. Refusals that say when to come back are tried again for
        `patience_s`; a connection that was cut, once more where that does no harm."""
        deadline = self.deadline()
        cut = False
        while True:
            try:
                return await self._once(method, path, options)
            except ConnectionLost:
                if cut or method not in SAFE_AGAIN:
                    raise
                cut = True
            except Refused as error:
                await wait_for(error, deadline)

    @asynccontextmanager
    async def events(
        self, method: str, path: str, headers: dict[str, str], **options: Any
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an event stream as it comes, in pieces of any size; one attempt.

        Raises Refused, ServiceUnreachable, ConnectionLost, the last also inside of the block;
        Misused once the client is closed, or on another event loop than before.
        """
        self._must_be_open()
        timeouts = self._timeouts
        timeout = httpx.Timeout(timeouts.silence_s, connect=timeouts.connect_s)
        headers = headers | {"Accept": EVENT_STREAM}
        with self._failures(method, path):
            async with self._http.stream(
                method, path, headers=headers, timeout=timeout, **options
            ) as response:
                self._heard = True
                if response.status_code >= 400:
                    await response.aread()
                    raise refused(response)
                body = cast("AsyncGenerator[bytes]", response.aiter_bytes())
                async with aclosing(body) as pieces:
                    yield pieces

    def _must_be_open(self) -> None:
        if self._http.is_closed:
            raise Misused(CLOSED)
        self._must_be_here()

    def _must_be_here(self) -> None:
        """Connections belong to the event loop that they were made on."""
        running = asyncio.get_running_loop()
        if self._loop not in (None, running):
            raise Misused(ELSEWHERE)
        self._loop = running

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        self._must_be_open()
        with self._failures(method, path):
            response = await self._http.request(method, path, **options)
        self._heard = True
        if response.status_code >= 400:
            raise refused(response)
        return response

    @contextmanager
    def _failures(self, method: str, path: str) -> Iterator[None]:
        """What httpx raises, as what it means here."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise unreachable(self.url, error) from None
        except httpx.TimeoutException:
            raise ServiceTimeout(f"{method} {self.url}{path} was not answered in time") from None
        except UnicodeEncodeError:
            raise Unusable(NO_TEXT) from None
        except httpx.TransportError as error:
            if self._http.is_closed:
                raise Misused(CLOSED) from error
            reason = str(error) or type(error).__name__
            hint = "" if self._heard else STRANGER
            raise ConnectionLost(f"{method} {self.url}{path} was cut: {reason}{hint}") from error


def unreachable(url: str, error: httpx.TransportError) -> ServiceUnreachable:
    """Where no connection came about. What listens may speak HTTP without TLS."""
    reason = str(error) or "no reply"
    tls = url.startswith("https://") and "SSL" in reason and "CERTIFICATE" not in reason
    advice = f"if it speaks no TLS, give http://{url.removeprefix('https://')}" if tls else None
    return ServiceUnreachable(url, reason, advice)


async def wait_for(error: Refused, deadline: float) -> None:
    """Wait as long as the refusal says. Raises it when that is beyond `deadline` (monotonic)."""
    wait_s = error.retry_after_s
    if wait_s is None or time.monotonic() + wait_s > deadline:
        raise error
    await asyncio.sleep(wait_s)


def refused(response: httpx.Response) -> Refused:
    return refusal(response.status_code, response.content, response.headers.get("Retry-After"))


def as_json(body: BaseModel | None) -> dict[str, Any]:
    """Only the fields that were given: what is absent stays as it is."""
    if body is None:
        return {}
    try:
        content = body.model_dump_json(exclude_unset=True)
    except PydanticSerializationError:
        raise Unusable(NO_TEXT) from None
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def made(model: type[M], fields: dict[str, Any]) -> M:
    """A message to be sent. Raises Invalid, naming the field and what would be right."""
    try:
        return model(**fields)
    except ValidationError as error:
        raise invalid(error, model) from None


def changed(model: type[M], fields: dict[str, Any]) -> M:
    """A change to be sent. Raises Unusable where nothing is given, Invalid."""
    if not fields:
        raise Unusable(f"nothing is given to be changed; there are {', '.join(model.model_fields)}")
    return made(model, fields)


def segment(id: str) -> str:
    """An id as a part of a path, which must lead nowhere else: a server may take even an escaped
    slash for one. Raises Unusable for what can be none."""
    if not isinstance(id, str) or not re.fullmatch(r"\w[\w.-]*", id, re.ASCII):
        raise Unusable(
            f"{id!r} is no id: those of sessions, watches and answers are letters, digits and . _ -"
        )
    return id


def checked(url: str) -> str:
    """The URL without a slash at its end. Raises Unusable, which shows it unless a password may
    stand in it."""
    shown = "this" if "@" in str(url) else repr(url)
    if not _is_url(url):
        raise Unusable(
            f"{shown} is no URL of a service: give http://host:port, such as http://127.0.0.1:8080"
        )
    if httpx.URL(url).userinfo:
        raise Unusable(
            f"{shown} is no URL of a service, as it holds a user or a password, which would be in "
            "every log: give http://host:port, and a token where the service asks for one"
        )
    bare = url.rstrip("/")
    if urlsplit(bare).path.endswith("/v1"):
        raise Unusable(f"{shown} leads too far: leave /v1 out, {bare.removesuffix('/v1')}")
    return bare


def _is_url(url: str) -> bool:
    """A port that cannot be raises ValueError when it is read."""
    try:
        parts, split = httpx.URL(url), urlsplit(url)
        port = split.port
    except (httpx.InvalidURL, ValueError, TypeError):
        return False
    plain = not (parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bool(split.hostname) and port != 0 and plain


def checked_token(token: str) -> str:
    """Raises Unusable for what cannot stand in a header; it is not shown. Empty: none."""
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]*", token):
        raise Unusable(
            "this is no token: one is a word of letters, digits and . _ - without spaces or line "
            "ends; `echosieve token` makes one"
        )
    return token
