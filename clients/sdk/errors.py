"""What can go wrong between a client and the service: one class per remedy.

EchoSieveError
  Misused                the program uses a call in a way that it cannot be used in
  Unusable               a value that was given can never be used, such as a URL that is none
  NotInstalled           what the call takes is not installed; the text says how it is
  ServiceUnreachable     nothing listens at the URL
  ServiceTimeout         it did not answer in time
  ConnectionLost         the connection was cut in the middle of something
  AnswerFailed           the model could not answer; `answer` holds what there is
    AnswerCut            the session ended meanwhile, or somebody else cancelled the answer
  MediaFailed            the media cannot be read, or cannot be sent
    MediaCut             it ended before the end that it says it has; all there is was sent
  Incomplete             there is no whole answer: not yet, or no more
  Refused                the service said no: `status`, `code`, `param`
    BadRequest 400  Unauthorized 401  Forbidden 403  NotFound 404  Conflict 409  TooLarge 413
    Invalid 422  TooManyRequests 429  ServerError 500 and above  Unavailable 503
"""

from __future__ import annotations

import time

from pydantic import BaseModel, ValidationError

from clients.sdk.backoff import asked_s
from session import wire
from session.wire.faults import fault_of

CUT = "the session ended, or somebody else cancelled it; `answer` holds what was said"
START = "start the service with `echosieve serve`, or give the URL of one that runs"
HINTS = {
    "session_unknown": "client.sessions.list() tells which sessions there are",
    "answer_unknown": "only an answer that is still being written can be cancelled",
    "session_over": "publish to the session again, or begin a new one",
    "session_busy": "one sender at a time: close the other publication",
    "nothing_seen": "ask again when the first picture or sound has arrived",
    "no_capacity": "close a session, or start the service with more --sessions",
    "unauthorized": "pass a token: EchoSieve(url, token); `echosieve token` makes one",
    "forbidden": "the token's role or session does not allow this; `echosieve token` makes another",
}


class EchoSieveError(Exception):
    """Base of all errors of this package; the text is fit to be shown to a user."""


class Misused(EchoSieveError, RuntimeError):
    """The program uses a call in a way that it cannot be used in; the text says which is right."""


class Unusable(EchoSieveError, ValueError):
    """A value that was given can never be used; the text says what would be right."""


class NotInstalled(EchoSieveError, ImportError):
    """What the call takes is not installed; the text says the command that installs it."""


class ServiceUnreachable(EchoSieveError):
    """Nothing answers at the service's URL. `said`: the text without its advice; `advice`: where
    another than to start the service would be right."""

    def __init__(self, url: str, reason: str, advice: str | None = None) -> None:
        self.url = url
        self.said = f"nothing answers at {url} ({reason})"
        self.advice = advice
        python = f"{START}: EchoSieve('http://host:port')"
        super().__init__(f"{self.said}: {advice or python}")


class ServiceTimeout(EchoSieveError):
    """The service took the request and did not answer in time."""


class ConnectionLost(EchoSieveError):
    """The connection was cut while something was on its way; `text` is what had come of it."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text


class AnswerFailed(EchoSieveError):
    """The question was taken, and could not be answered."""

    def __init__(self, answer: wire.Answer) -> None:
        reason = answer.error.message if answer.error else "no reason was given"
        super().__init__(f"the answer failed: {reason}")
        self.answer = answer


class AnswerCut(AnswerFailed):
    """The answer was cancelled, and not by who asked: its session ended, say."""

    def __init__(self, answer: wire.Answer) -> None:
        reason = answer.error.message if answer.error else CUT
        EchoSieveError.__init__(self, f"the answer was cut off: {reason}")
        self.answer = answer


class MediaFailed(EchoSieveError):
    """The media cannot be read, captured or sent; the text says what would be right."""


class MediaCut(MediaFailed):
    """The media ended before the end that it says it has; all that there is of it was sent."""


class Incomplete(EchoSieveError, RuntimeError):
    """The whole answer was asked for and is not there; the text says why."""


class Refused(EchoSieveError):
    """The service refused a request.

    `code` is the wire's name of the reason (`session_unknown`, `nothing_seen` ...), `param` the
    field at fault, `retry_after_s` when the service says that it is worth coming back; `said` is
    the text without its advice.
    """

    def __init__(
        self, status: int, detail: wire.ErrorDetail, retry_after_s: float | None = None
    ) -> None:
        hint = HINTS.get(detail.type)
        at_fault = (
            f"{detail.param}: " if detail.param and detail.param not in detail.message else ""
        )
        self.said = f"{status} {detail.type}: {at_fault}{detail.message}"
        super().__init__(self.said + (f" ({hint})" if hint else ""))
        self.status = status
        self.code = detail.type
        self.param = detail.param
        self.message = detail.message
        self.retry_after_s = retry_after_s


class BadRequest(Refused):
    """400: the request is not one."""


class Unauthorized(Refused):
    """401: no token, or one that is expired or not the service's."""


class Forbidden(Refused):
    """403: the token's role or session does not reach so far.

    `missing_role`: the role that it would have to have; None where the reason is another.
    """

    def __init__(
        self, status: int, detail: wire.ErrorDetail, retry_after_s: float | None = None
    ) -> None:
        super().__init__(status, detail, retry_after_s)
        self.missing_role = detail.missing_role


class NotFound(Refused):
    """404: no such session, answer or path."""


class Conflict(Refused):
    """409: not now; the session is over, or has seen nothing yet."""


class TooLarge(Refused):
    """413: more than the service or the model takes."""


class Invalid(Refused):
    """422: a field is not what it should be; also raised here, before anything is sent."""


class TooManyRequests(Refused):
    """429: slower."""


class ServerError(Refused):
    """500 and above: the service failed."""


class Unavailable(ServerError):
    """503: full, overloaded or stopping."""


BY_STATUS: dict[int, type[Refused]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


def refusal(status: int, body: bytes, retry_after: str | None) -> Refused:
    """The error that a response with `status` >= 400 stands for."""
    try:
        detail = wire.ErrorBody.model_validate_json(body).error
    except ValidationError:  # something between us and the service answered
        text = " ".join(body[:200].decode(errors="replace").split()) or "nothing"
        detail = wire.ErrorDetail(
            type="error", message=f"no EchoSieve answers there, or not it alone: it said {text!r}"
        )
    kind = BY_STATUS.get(status, ServerError if status >= 500 else Refused)
    return kind(status, detail, asked_s(retry_after, time.time()))


def invalid(error: ValidationError, model: type[BaseModel]) -> Invalid:
    """The first thing that is wrong with a message that was to be sent."""
    fault = fault_of(error, model)
    detail = wire.ErrorDetail(type="invalid", message=str(fault), param=fault.param)
    return Invalid(422, detail)
