"""What the service refuses, one class per remedy, each with its HTTP status and its wire type."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ValidationError

from session import wire
from session.wire.faults import fault_of, is_no_json


class ServiceError(Exception):
    """Base of all refusals; the text is fit to be shown to a user."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    retry_after_s: ClassVar[int | None] = None

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.param = param
        wait_s = self.retry_after_s if retry_after_s is None else retry_after_s
        self.headers = {} if wait_s is None else {"Retry-After": str(wait_s)}

    def detail(self, event_id: str | None = None) -> wire.ErrorDetail:
        return wire.ErrorDetail(
            type=self.kind, message=str(self), param=self.param, event_id=event_id
        )


class BadRequest(ServiceError):
    status, kind = 400, "bad_request"


class Unauthorized(ServiceError):
    """No token, or none that holds (RFC 6750, section 3)."""

    status, kind = 401, "unauthorized"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": 'Bearer realm="echosieve"'}


class Forbidden(ServiceError):
    """`missing_role`: the role that the token would have to have, where that is the reason."""

    status, kind = 403, "forbidden"

    def __init__(self, message: str, *, missing_role: wire.Role | None = None) -> None:
        super().__init__(message)
        self.missing_role = missing_role

    def detail(self, event_id: str | None = None) -> wire.ErrorDetail:
        detail = super().detail(event_id)
        return detail.model_copy(update={"missing_role": self.missing_role})


class NotFound(ServiceError):
    status, kind = 404, "not_found"


class SessionUnknown(ServiceError):
    status, kind = 404, "session_unknown"


class AnswerUnknown(ServiceError):
    status, kind = 404, "answer_unknown"


class ItemUnknown(ServiceError):
    status, kind = 404, "item_unknown"


class WatchUnknown(ServiceError):
    status, kind = 404, "watch_unknown"


class MethodNotAllowed(ServiceError):
    status, kind = 405, "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"allowed here: {allowed}")
        self.headers = {"Allow": allowed}


class NotAcceptable(ServiceError):
    status, kind = 406, "not_acceptable"


class TooSlow(ServiceError):
    status, kind = 408, "too_slow"


class SessionOver(ServiceError):
    status, kind = 409, "session_over"


class SessionBusy(ServiceError):
    """A sender is there already; one that was cut off is missed within seconds."""

    status, kind, retry_after_s = 409, "session_busy", 2

    def __init__(self) -> None:
        super().__init__("a sender is there already; one that was cut off is missed after 8 s")


class NothingSeen(ServiceError):
    """A question before there is anything to answer from; soon there will be."""

    status, kind, retry_after_s = 409, "nothing_seen", 1


class TooLarge(ServiceError):
    status, kind = 413, "too_large"


class QuestionTooLong(ServiceError):
    status, kind = 413, "question_too_long"


class WrongMediaType(ServiceError):
    status, kind = 415, "wrong_media_type"


class Invalid(ServiceError):
    status, kind = 422, "invalid"


class QuestionEmpty(ServiceError):
    status, kind = 422, "question_empty"


class SettingInvalid(ServiceError):
    status, kind = 422, "setting_invalid"


class TooManyQuestions(ServiceError):
    status, kind, retry_after_s = 429, "too_many_questions", 1


class TooManyRequests(ServiceError):
    """Of one kind within a minute."""

    status, kind, retry_after_s = 429, "too_many_requests", 1


class TooManyWatches(ServiceError):
    status, kind = 429, "too_many_watches"


class TooManySessions(ServiceError):
    status, kind, retry_after_s = 429, "too_many_sessions", 60


class TooManySubscribers(ServiceError):
    status, kind, retry_after_s = 429, "too_many_subscribers", 5


class EngineFailed(ServiceError):
    status, kind = 500, "engine_failed"


class NotSupported(ServiceError):
    status, kind = 501, "not_supported"


class NoCapacity(ServiceError):
    """The service is full, or as busy as it may be without harm to those who are there."""

    status, kind, retry_after_s = 503, "no_capacity", 5


class JournalBehind(ServiceError):
    """More waits to be recorded than may."""

    status, kind, retry_after_s = 503, "journal_behind", 5


class JournalFailed(ServiceError):
    """What was asked for stands or falls with the journal, and that cannot do it."""

    status, kind = 503, "journal_failed"


class EngineDown(ServiceError):
    status, kind, retry_after_s = 503, "engine_down", 30


class Stopping(ServiceError):
    """What was asked for takes longer than the service will be there."""

    status, kind, retry_after_s = 503, "stopping", 5


STOPPED = "the service stopped"  # why its sessions end then


def over(reason: str | None) -> ServiceError:
    """Of what is asked of a session that has ended while it was here."""
    if reason == STOPPED:
        return Stopping("the service stops: ask again when it is back")
    return SessionOver(f"the session has ended ({reason})")


def refusal(error: ValidationError, model: object = None) -> ServiceError:
    """The first thing that is wrong with a message, in one sentence; `model`: what it was to be."""
    fault = fault_of(error, model)
    if is_no_json(error):
        return BadRequest(str(fault))
    return Invalid(str(fault), param=fault.param)
