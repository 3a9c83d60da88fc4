"""A command says what would be right for it: an option, or a key of its configuration."""

from __future__ import annotations

import inspect

import pytest

from clients.advice import CONFIGURATION, OPTIONS, Advice, plain, told
from clients.sdk import EchoSieve, errors
from clients.sdk.errors import HINTS, Refused, ServiceUnreachable
from session import wire

CALLS = [name for name, _ in inspect.getmembers(EchoSieve, callable) if not name.startswith("_")]


def refused(code: str) -> Refused:
    return Refused(401, wire.ErrorDetail(type=code, message="no"))


@pytest.mark.parametrize(
    ("advice", "url", "token"),
    [(OPTIONS, "--url http://host", "--token TOKEN"), (CONFIGURATION, "[service]", "token_env")],
)
def test_which_service_and_by_which_token_is_told_in_the_words_of_the_command(
    advice: Advice, url: str, token: str
) -> None:
    away = told(ServiceUnreachable("http://here", "nobody listens"), advice)
    assert away.startswith("nothing answers at http://here (nobody listens): start the service")
    assert url in away
    assert token in told(refused("unauthorized"), advice)


@pytest.mark.parametrize("code", HINTS)
def test_no_advice_is_a_call_of_python(code: str) -> None:
    said = told(refused(code))
    assert said.startswith(f"401 {code}: no (")
    assert "EchoSieve(" not in said
    assert not any(f"{call}(" in said for call in [*CALLS, "list"])


def test_what_needs_no_advice_stays_as_it_is() -> None:
    assert told(errors.MediaFailed("unplugged")) == "unplugged"
    assert told(refused("other")) == "401 other: no"


def test_what_happened_is_told_without_advice_too() -> None:
    assert plain(ServiceUnreachable("http://here", "no")) == "nothing answers at http://here (no)"
    assert plain(refused("unauthorized")) == "401 unauthorized: no"
    assert plain(errors.MediaFailed("unplugged")) == "unplugged"
