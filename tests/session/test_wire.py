"""The messages of every surface."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from session import wire


def test_the_messages_import_neither_torch_nor_a_media_stack() -> None:
    heavy = ("torch", "transformers", "aiortc", "av", "numpy", "fastapi", "sieve", "stream")
    code = f"import sys, session.wire; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_comes_in_may_hold_nothing_unknown() -> None:
    with pytest.raises(ValidationError, match="temperature"):
        wire.AskRequest.model_validate({"question": "a", "temperature": 1})


def test_what_comes_in_is_not_converted() -> None:
    for wrong in ({"question": 5}, {"question": "a", "max_tokens": "7"}):
        with pytest.raises(ValidationError):
            wire.AskRequest.model_validate(wrong)


def test_what_goes_out_may_gain_fields_that_older_readers_ignore() -> None:
    newer = {"video": 1, "audio": 2, "touch": 3}
    assert wire.Counts.model_validate(newer) == wire.Counts(video=1, audio=2)


def test_an_event_is_known_by_its_type() -> None:
    event = wire.EVENT.validate_json('{"type": "answer.delta", "id": "a", "delta": "b"}')
    assert event == wire.AnswerDelta(id="a", delta="b")
    with pytest.raises(ValidationError, match="no such"):
        wire.EVENT.validate_json('{"type": "no such"}')


def test_messages_do_not_change_once_made() -> None:
    with pytest.raises(ValidationError):
        wire.Counts(video=1, audio=2).video = 3  # type: ignore[misc]


def test_the_parts_of_a_question_are_joined() -> None:
    parts = [{"type": "input_text", "text": text} for text in ("what", "now")]
    message = wire.UserMessage.model_validate({"type": "message", "role": "user", "content": parts})
    assert message.text == "what now"


def test_metadata_is_bounded() -> None:
    with pytest.raises(ValidationError):
        wire.ResponseSettings.model_validate({"metadata": {str(n): "x" for n in range(17)}})
    with pytest.raises(ValidationError):
        wire.ResponseSettings.model_validate({"metadata": {"a": "x" * 513}})


def test_a_new_session_is_named_after_its_room_and_may_set_nothing() -> None:
    assert wire.SessionCreate().room == wire.DEFAULT_ROOM
    with pytest.raises(ValidationError, match="room"):
        wire.SessionCreate(room="a b")


def test_a_browser_gets_what_it_needs_for_ten_minutes_unless_told_otherwise() -> None:
    request = wire.SecretRequest()
    assert request.expires_after.seconds == 600
    assert request.x.roles == ["publish", "ask"]
    with pytest.raises(ValidationError, match="seconds"):
        wire.ExpiresAfter(seconds=86_400)
