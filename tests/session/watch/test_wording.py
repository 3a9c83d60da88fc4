"""From what somebody waits for to a question of yes or no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session.watch.wording import as_question
from sieve import Model
from stream.world.segment import OBJECTS, SOUNDS


@pytest.mark.parametrize(
    "query",
    [
        "a red circle",
        "red circle",
        "the red circle appears",
        "A red circle appears.",
        "tell me when a red circle appears",
        "Notify us as soon as there is a red circle!",
        "when I see a red circle",
        "wait for a red circle",
        "a red circle is visible now",
    ],
)
def test_a_thing_that_is_waited_for_is_asked_for_in_the_worlds_words(query: str) -> None:
    assert as_question(query).lower() == "is there a red circle now?"


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("form", ["a {}", "tell me when you hear a {}", "the {} is heard"])
def test_so_is_a_sound(sound: str, form: str) -> None:
    assert as_question(form.format(sound)) == f"is there a {sound} now?"


def test_so_is_a_thing_with_a_sound() -> None:
    wanted = "is there a blue cross with a buzz now?"
    assert as_question("a blue cross with a buzz appears") == wanted
    assert as_question("a blue cross with a buzz") == wanted


@pytest.mark.parametrize(
    "query", ["was there a red circle?", "did you hear a buzz?", "who is there?", "Is it on?"]
)
def test_a_question_stays_as_it_is(query: str) -> None:
    assert as_question(query) == query


def test_a_question_without_its_mark_gets_one() -> None:
    assert as_question("is somebody at the door") == "is somebody at the door?"
    assert as_question("Does it burn.") == "Does it burn?"


def test_any_other_sentence_is_asked_to_be_true() -> None:
    assert as_question("the lid is open") == "is it true now: the lid is open?"
    asked = as_question("tell me when somebody opens the door")
    assert asked == "is it true now: somebody opens the door?"


@given(query=st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_whatever_is_waited_for_becomes_a_question_on_one_line(query: str) -> None:
    question = as_question(query)
    assert question.endswith("?")
    assert question == " ".join(question.split())
    assert as_question(question) == question


def test_the_built_in_model_knows_every_word_of_it(demo_model: Model) -> None:
    """Its words are single tokens, so a question has as many tokens as words and marks."""
    for thing in (*OBJECTS, *SOUNDS):
        question = as_question(f"tell me when a {thing} appears")
        ids = demo_model.backbone.token_ids(question)
        assert len(ids) == len(question.replace("?", " ?").split()), question
