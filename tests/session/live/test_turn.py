"""The state machine of a session."""

from __future__ import annotations

import pytest

from session.errors import SessionOver, TooManyQuestions
from session.live.turn import Dialogue, Turn
from sieve.tokens import Begun, Counts


def turn(name: str, *, remembered: bool = True, newest_frame_s: float | None = None) -> Turn:
    return Turn(name, f"{name}?", 1_700_000_000.0, 1.0, 10.0, remembered, newest_frame_s)


def begun() -> Begun:
    return Begun(1, None, (), Counts(0, 0), Counts(0, 0), 0.2, None)


def test_a_session_connects_goes_live_once_and_ends_once() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    assert dialogue.state == "connecting"
    assert dialogue.go_live()
    assert not dialogue.go_live()
    assert dialogue.end("the sender left")
    assert not dialogue.end("something else")
    assert (dialogue.state, dialogue.end_reason) == ("ended", "the sender left")
    assert not dialogue.go_live()


def test_no_question_is_taken_after_the_end() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.end("the sender left")
    with pytest.raises(SessionOver, match="the sender left"):
        dialogue.ask(turn("a"))


def test_as_many_questions_are_in_flight_as_allowed() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.ask(turn("a"))
    dialogue.ask(turn("b"))
    with pytest.raises(TooManyQuestions):
        dialogue.ask(turn("c"))
    dialogue.finish("a", "completed")
    dialogue.ask(turn("c"))
    assert [t.id for t in dialogue.turns] == ["b", "c"]


def test_an_answer_grows_and_the_first_token_is_timed_once() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.ask(turn("a"))
    assert dialogue.say("a", "gr", 11.0)
    assert dialogue.say("a", "een", 12.0)
    done = dialogue.finish("a", "completed")
    assert done is not None
    assert (done.text, done.output_tokens, done.first_token) == ("green", 2, 11.0)


def test_what_comes_after_the_end_of_a_turn_is_not_taken() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.ask(turn("a"))
    dialogue.finish("a", "cancelled")
    assert not dialogue.say("a", "late", 12.0)
    assert dialogue.finish("a", "completed") is None
    dialogue.begin("a", begun(), None)
    assert dialogue.find("a") is None


def test_the_history_holds_the_newest_answers_that_were_said_to_their_end() -> None:
    dialogue = Dialogue(in_flight=4, history=2)
    for name, status in (
        ("a", "completed"),
        ("b", "truncated"),
        ("c", "cancelled"),
        ("d", "failed"),
        ("e", "completed"),
    ):
        dialogue.ask(turn(name))
        dialogue.say(name, name.upper(), 11.0)
        dialogue.finish(name, status)
    assert dialogue.history == (("b?", "B"), ("e?", "E"))


def test_an_aside_leaves_no_trace_in_the_history() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.ask(turn("a", remembered=False))
    dialogue.finish("a", "completed")
    assert dialogue.history == ()


def test_the_newest_frame_is_that_of_the_open_window_or_else_of_the_memory() -> None:
    dialogue = Dialogue(in_flight=2, history=2)
    dialogue.ask(turn("a", newest_frame_s=7.5))
    dialogue.ask(turn("b"))
    dialogue.begin("a", begun(), 5.5)
    dialogue.begin("b", begun(), 5.5)
    assert [t.newest_frame_s for t in dialogue.turns] == [7.5, 5.5]


def test_a_turn_that_is_not_to_be_remembered_leaves_the_history_alone_otherwise() -> None:
    dialogue = Dialogue(in_flight=2, history=2, past=[("before?", "yes")])
    for name in ("a", "b"):
        dialogue.ask(turn(name))
        dialogue.say(name, "yes", 11.0)
        dialogue.finish(name, "completed")
    dialogue.unremember("a")
    dialogue.unremember("nobody")
    assert dialogue.history == (("b?", "yes"),)
    for name in ("c", "d"):
        dialogue.ask(turn(name))
        dialogue.finish(name, "completed")
    assert [question for question, _ in dialogue.history] == ["c?", "d?"]
