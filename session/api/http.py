"""What HTTP surfaces share: bounded bodies, one form of errors, headers, server-sent events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from session import wire
from session.auth import ANY_TOKEN, Grant
from session.errors import (
    BadRequest,
    Invalid,
    ServiceError,
    TooLarge,
    TooSlow,
    WrongMediaType,
    refusal,
)
from session.wire.faults import Fault, sentence, shortened

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

HEARTBEAT_S = 15.0
BODY_S = 15.0  # how long a client may take to send its body
HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::\d*)?")  # RFC 9110, section 7.2
HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "
        b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"permissions-policy": b"camera=(self), microphone=(self)",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


# --- Bodies ---------------------------------------------------------------------------------------


async def read_body(request: Request, media_type: str, limit: int) -> bytes:
    """The body, read no further than `limit`. Raises WrongMediaType, TooLarge, TooSlow, BadRequest
    where the client hangs up."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != media_type:
        raise WrongMediaType(f"send {media_type}, not {sent or 'a body without a type'}")
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(request, limit)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_S:g} s") from None


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge(f"the body may hold at most {limit} bytes")
    except ClientDisconnect:
        raise BadRequest("the client hung up before the end of its body") from None
    return bytes(body)


async def read_json(request: Request, model: type[M], limit: int) -> M:
    """The body as a message. Raises WrongMediaType, TooLarge, BadRequest (no JSON), Invalid."""
    body = await read_body(request, "application/json", limit)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error, model) from None


# --- Parameters -----------------------------------------------------------------------------------


async def own_parameters(request: Request, _: Annotated[Grant, ANY_TOKEN]) -> None:
    """Raises Invalid for one that the route does not know: `?afer=3` is not what was meant. Whoever
    has no token at all hears of that first."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "there are none here"
            fault = Fault(name, f"there is no such parameter; {there_are}")
            raise Invalid(str(fault), param=shortened(name))


OWN_PARAMETERS = Depends(own_parameters)


# --- Errors ---------------------------------------------------------------------------------------


def install_errors(app: FastAPI) -> None:
    """Every error leaves as {error: {type, message, param}}."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_bad_parameter)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_unforeseen)


def _body(
    status: int, detail: wire.ErrorDetail, headers: dict[str, str] | None = None
) -> JSONResponse:
    content = wire.ErrorBody(error=detail).model_dump(exclude_none=True)
    return JSONResponse(content, status, headers)


async def _on_service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return _body(error.status, error.detail(), error.headers)


async def _on_bad_parameter(_: Request, error: Exception) -> Response:
    """A path or query parameter that is not what it should be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    fault = Fault(".".join(str(part) for part in first["loc"][1:]), sentence(first))
    return _body(422, wire.ErrorDetail(type="invalid", message=str(fault), param=fault.param))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses: unknown paths, wrong methods."""
    assert isinstance(error, HTTPException)
    path = shortened(request.url.path)
    match error.status_code:
        case 404:
            kind, text = "not_found", f"there is no {path} here"
        case 405:
            kind, text = "method_not_allowed", f"{path} does not take {request.method}"
        case _:
            kind, text = "error", error.detail
    detail = wire.ErrorDetail(type=kind, message=text)
    return _body(error.status_code, detail, dict(error.headers or {}))


async def _on_unforeseen(_: Request, error: Exception) -> Response:
    detail = wire.ErrorDetail(type="server_error", message=f"{type(error).__name__}: see the log")
    headers = {name.decode(): value.decode() for name, value in HEADERS.items()}
    # This is answered outside of `SecurityHeaders`, and the server hangs up after it.
    return _body(500, detail, headers | {"Connection": "close"})


# --- Server-sent events ---------------------------------------------------------------------------


class EventStream(StreamingResponse):
    """`ended` is called once, also for a client that hung up before anything was read for it."""

    def __init__(self, parts: AsyncIterator[str], ended: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(parts, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


async def with_heartbeat(
    following: Callable[[], Awaitable[str | None]], every_s: float = HEARTBEAT_S
) -> AsyncIterator[str]:
    """What `following` gives until None, with a comment line where nothing came for a while."""
    while True:
        try:
            async with asyncio.timeout(every_s):
                part = await following()
        except TimeoutError:
            part = ": still here\n\n"
        if part is None:
            return
        yield part


async def unless_gone(request: Request, result: Awaitable[T]) -> T | None:
    """Wait for `result`; None when the client hangs up first, and the wait is cancelled."""
    wanted = asyncio.ensure_future(result)
    gone = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        return wanted.result() if wanted.done() else None
    finally:
        wanted.cancel()
        gone.cancel()
        await asyncio.wait({wanted, gone})


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# --- Headers --------------------------------------------------------------------------------------


class SecurityHeaders:
    """Adds `HEADERS` to every HTTP response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, send_with_headers)


# --- Who may ask ----------------------------------------------------------------------------------


class KnownHosts:
    """Refuses requests to a name that is not among `names`: a page elsewhere could otherwise reach
    the service by a name of its own that leads to this machine (DNS rebinding). `*` takes all."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._knows(host := Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        text = (
            f"this service answers to {', '.join(self._names)}, not to {host[:64]!r}; "
            "to serve other names, start it with a key (--key-file)"
        )
        detail = wire.ErrorDetail(type="bad_request", message=text, param="Host")
        await _body(400, detail)(scope, receive, send)

    def _knows(self, host: str) -> bool:
        named = HOST.fullmatch(host)
        return "*" in self._names or (named is not None and named[1].lower() in self._names)


class Origins(CORSMiddleware):
    """Refuses what a page of another site asks for, unless the site is among `allow_origins`: not
    to let it read the answer would be too late for what the request does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = "" if scope["type"] != "http" else self._stranger(Headers(scope=scope))
        if not origin:
            await super().__call__(scope, receive, send)
            return
        text = f"pages of {origin[:64]} may not use this service: see --origin"
        detail = wire.ErrorDetail(type="forbidden", message=text, param="Origin")
        await _body(403, detail, {"Vary": "Origin"})(scope, receive, send)

    def _stranger(self, headers: Headers) -> str:
        """The site that may not ask this; preflights are answered below."""
        origin, host = headers.get("origin", ""), headers.get("host", "")
        own = origin.partition("://")[2].lower() == host.lower()
        asks_first = "access-control-request-method" in headers
        return "" if own or asks_first or self.is_allowed_origin(origin) else origin

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = bytes(response.body).decode()
        text = f"{refused}: pages of {request_headers['origin'][:64]} may not do this here"
        detail = wire.ErrorDetail(type="bad_request", message=text, param="Origin")
        return _body(response.status_code, detail, {"Vary": "Origin"})
