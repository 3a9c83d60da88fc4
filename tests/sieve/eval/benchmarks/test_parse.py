"""What is read out of what models say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sieve.eval.benchmarks.item import letter, lettered
from sieve.eval.benchmarks.parse import choice, count, yes_or_no

OPTIONS = ("red circle", "blue square", "a green cross", "none")


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("B", 1),
        ("b", 1),
        (" (C) ", 2),
        ("D.", 3),
        ("B. blue square", 1),
        ("B) it is blue", 1),
        ("B, because it is blue", 1),
        ("The answer is C", 2),
        ("The correct option is (D).", 3),
        ("answer: a", 0),
        ("The answer is b.", 1),
        ("I think it is B", 1),
        ("**B**", 1),
        ("Blue square.", 1),
        ("a green cross", 2),
        ("NONE", 3),
    ],
)
def test_a_letter_or_the_words_of_an_option_are_an_answer(said: str, index: int) -> None:
    assert choice(said, OPTIONS) == index


@pytest.mark.parametrize(
    "said",
    [
        "",
        "A or B",
        "A and C",
        "E",
        "F. purple",
        "a circle",
        "A man walks by",
        "The answer is a dog",
        "The answer is not there",
        "I do not know",
        "!?",
    ],
)
def test_what_names_no_option_or_two_is_no_answer(said: str) -> None:
    assert choice(said, OPTIONS) is None


def test_words_that_two_options_share_are_no_answer() -> None:
    assert choice("red", ("red", "Red", "blue")) is None


@given(st.integers(2, 26), st.data())
def test_the_letter_and_the_whole_line_of_any_option_are_read_back(
    options: int, data: st.DataObject
) -> None:
    names = [f"thing number {i}" for i in range(options)]
    index = data.draw(st.integers(0, options - 1))
    assert choice(letter(index), names) == index
    assert choice(lettered(names)[index], names) == index
    assert choice(names[index], names) == index


@given(st.text())
def test_whatever_is_said_the_answer_is_an_option_or_none(said: str) -> None:
    assert choice(said, OPTIONS) in {None, 0, 1, 2, 3}


@pytest.mark.parametrize(
    ("said", "truth"),
    [("Yes", 1), ("no.", 0), ("Y", 1), ("Yes, yes it is", 1), ("No, nothing", 0)],
)
def test_yes_and_no_are_read(said: str, truth: int) -> None:
    assert yes_or_no(said) == truth


@pytest.mark.parametrize("said", ["", "maybe", "yes or no", "yesterday nobody"])
def test_neither_yes_nor_no_or_both_are_no_answer(said: str) -> None:
    assert yes_or_no(said) is None


@pytest.mark.parametrize(
    ("said", "number"), [("3", 3), ("They did it 12 times.", 12), ("", None), ("2 or 3", None)]
)
def test_one_number_is_a_count(said: str, number: int | None) -> None:
    assert count(said) == number
