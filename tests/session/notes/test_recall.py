"""Which time a question names, and when it is answered from the notes."""

from __future__ import annotations

import pytest

from session.notes.recall import given, named_time, names_nothing, told, wants_notes
from tests.session.notes.test_records import note

NOW_S = 7_200.0


@pytest.mark.parametrize(
    ("question", "start_s", "end_s"),
    [
        ("what happened 10 minutes ago?", NOW_S - 630, NOW_S - 570),
        ("what happened a minute ago?", NOW_S - 90, NOW_S - 30),
        ("who was there an hour ago?", NOW_S - 3_630, NOW_S - 3_570),
        ("what did you see at 3:20?", 170, 230),
        ("what did you see at 1:00:10?", 3_580, 3_640),
        ("what did you see at 0:10?", 0, 40),
        ("what happened between 1:00 and 2:30?", 60, 150),
        ("what happened from 2:30 to 1:00?", 60, 150),
        ("what was there in the first minute?", 0, 60),
        ("what was there in the first 5 minutes?", 0, 300),
        ("3 hours ago?", 0, 0),
    ],
)
def test_a_time_that_a_question_names(question: str, start_s: float, end_s: float) -> None:
    assert named_time(question, NOW_S) == (start_s, end_s)


@pytest.mark.parametrize(
    "question", ["what is there now?", "was there a red circle?", "which came first?", "12:30", ""]
)
def test_a_question_that_names_none(question: str) -> None:
    assert named_time(question, NOW_S) is None


@pytest.mark.parametrize(
    "question",
    [
        "what happened?",
        "what\u2019s new?",
        "what did I miss?",
        "What was there?",
        "what's happened so far?",
        "summarise",
        "Please summarize what you saw.",
        "tell me everything",
        "what did you see and hear?",
        "give me a summary of the notes",
    ],
)
def test_a_question_that_names_nothing_is_about_all(question: str) -> None:
    assert names_nothing(question)


@pytest.mark.parametrize(
    "question", ["was there a red circle?", "what about dogs?", "what happened to Ada?", "7?", "?"]
)
def test_a_question_that_names_something_is_about_that(question: str) -> None:
    assert not names_nothing(question)


def test_notes_are_used_for_what_is_no_longer_remembered() -> None:
    question = "what happened 10 minutes ago?"
    assert wants_notes("auto", question, NOW_S, oldest_s=NOW_S - 60)
    assert wants_notes("auto", question, NOW_S, oldest_s=None)
    assert not wants_notes("auto", question, NOW_S, oldest_s=NOW_S - 900)
    assert not wants_notes("auto", "what is there now?", NOW_S, oldest_s=NOW_S - 60)


def test_the_request_may_say_otherwise() -> None:
    assert wants_notes("only", "what is there now?", NOW_S, oldest_s=0.0)
    assert not wants_notes("never", "what happened 10 minutes ago?", NOW_S, oldest_s=NOW_S)


def test_what_is_told_from_notes_says_so_with_their_times() -> None:
    assert told([note(1, "a red circle"), note(2, "a buzz")]) == (
        "From the notes: 1:00 to 2:00, a red circle; 2:00 to 3:00, a buzz."
    )
    assert told([]) == "From the notes: no note holds these words or is of that time."


def test_a_model_is_told_what_are_notes_and_what_is_the_question() -> None:
    text = given([note(1, "a red circle")], "what was it?")
    assert "[1:00 to 2:00] a red circle" in text
    assert text.endswith("what was it?")
    assert "no longer in view" in text
