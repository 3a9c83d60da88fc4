"""The items of a channel: what is known of them, what is forgotten, what waits."""

from __future__ import annotations

import pytest

from session import wire
from session.errors import BadRequest, ItemUnknown
from session.realtime.conversation import MOST_ITEMS, PENDING_ITEMS, Conversation


def item(id: str, text: str = "") -> wire.Item:
    part = wire.Part(type="input_text", text=text or f"{id}?")
    return wire.Item(id=id, status="completed", role="user", content=[part])


def filled(*ids: str) -> Conversation:
    made = Conversation()
    for id in ids:
        made.add(item(id))
    return made


def test_items_are_found_by_their_ids_and_the_newest_is_the_last() -> None:
    conversation = filled("a", "b")
    assert conversation.find("a").item == item("a")
    assert conversation.last == "b"
    assert Conversation().last is None
    with pytest.raises(ItemUnknown, match="no item 'c'"):
        conversation.find("c")
    with pytest.raises(BadRequest, match="'a' is there already"):
        conversation.add(item("a"))


def test_the_newest_question_waits_and_overtakes_the_others() -> None:
    conversation = filled("a", "b")
    waiting = conversation.waiting()
    assert waiting.text == "b?"
    assert conversation.waiting() is waiting, "it waits until it is asked"
    conversation.asked(waiting, "ans_1")
    with pytest.raises(BadRequest, match="no question waits"):
        conversation.waiting()
    assert conversation.find("a").turn is None


def test_a_question_goes_with_its_answer_and_no_other_item_does() -> None:
    conversation = filled("a", "b")
    conversation.asked(conversation.waiting(), "ans_1")
    conversation.add(item("c"), "ans_1")
    conversation.add(item("d"))
    assert conversation.remove("c") == ["b", "c"]
    assert conversation.remove("a") == ["a"]
    assert conversation.last == "d"
    assert conversation.remove("d") == ["d"]
    with pytest.raises(BadRequest, match="no question waits"):
        conversation.waiting()
    with pytest.raises(ItemUnknown):
        conversation.remove("d")


def test_an_item_is_as_it_was_told_last() -> None:
    conversation = filled("a")
    conversation.update(item("a", "more"))
    assert conversation.find("a").text == "more"
    conversation.update(item("b"))
    assert conversation.last == "a"


def test_it_holds_so_many_items_and_so_many_questions() -> None:
    conversation = filled(*(f"q{number}" for number in range(MOST_ITEMS + 3)))
    assert conversation.find("q3")
    with pytest.raises(ItemUnknown):
        conversation.find("q2")
    for number in range(PENDING_ITEMS):
        conversation.remove(f"q{MOST_ITEMS + 2 - number}")
    with pytest.raises(BadRequest, match="no question waits"):
        conversation.waiting()
