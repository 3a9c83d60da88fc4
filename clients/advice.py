"""What a command says of an error: what would be right in its own words, not in those of Python."""

from __future__ import annotations

from dataclasses import dataclass

from clients.sdk.errors import HINTS, START, Refused, ServiceUnreachable


@dataclass(frozen=True, slots=True)
class Advice:
    """Where a command is told which service it speaks to, and by which token."""

    url: str
    token: str


OPTIONS = Advice("--url http://host:port", "--token TOKEN")
CONFIGURATION = Advice(
    'url = "http://host:port" under [service]', "token_file or token_env under [service]"
)
OF_COMMANDS = {"monitor": CONFIGURATION}  # all others take options
OTHERWISE = {
    "session_unknown": "GET /v1/sessions tells which sessions there are",
    "session_busy": "one sender at a time: end the other",
}


def told(error: Exception, advice: Advice = OPTIONS) -> str:
    """The text of an error as a command shows it."""
    match error:
        case ServiceUnreachable(advice=None):
            return f"{error.said}: {START}: {advice.url}"
        case Refused(code="unauthorized"):
            return f"{error.said} (give a token: {advice.token}; `echosieve token` makes one)"
        case Refused() if hint := (HINTS | OTHERWISE).get(error.code):
            return f"{error.said} ({hint})"
        case _:
            return str(error)


def plain(error: Exception) -> str:
    """What happened, without advice: for a program, or for a person who is to change nothing."""
    return error.said if isinstance(error, Refused | ServiceUnreachable) else str(error)
