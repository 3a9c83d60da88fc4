"""The parser of event streams: by the standard, whatever the pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clients.sdk.sse import Message, Parser

LINE_BREAKS = "\r\n"
fields = st.text(st.characters(codec="utf-8", exclude_characters=LINE_BREAKS + "\0"))
messages = st.builds(Message, id=st.none() | fields, event=fields, data=fields)


def written(message: Message, end: str) -> str:
    id = "" if message.id is None else f"id: {message.id}{end}"
    event = f"event: {message.event}{end}" if message.event else ""
    return f"{id}{event}data: {message.data}{end}{end}"


def parsed(body: bytes, cuts: list[int]) -> list[Message]:
    parser, found, begin = Parser(), [], 0
    for cut in [*sorted(cut % (len(body) + 1) for cut in cuts), len(body)]:
        found += parser.feed(body[begin:cut])
        begin = cut
    return found


@given(st.lists(messages), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 10_000)))
def test_what_was_written_is_read_wherever_the_pieces_are_cut(
    sent: list[Message], end: str, cuts: list[int]
) -> None:
    body = "".join(written(message, end) for message in sent) + ": a comment" + end
    assert parsed(body.encode(), cuts) == sent


def test_a_message_that_is_cut_off_is_not_handed_out() -> None:
    assert parsed(b"id: 1\ndata: whole\n\nid: 2\ndata: half\n", []) == [Message("1", "", "whole")]


def test_comments_and_unknown_fields_say_nothing_and_lines_of_data_are_joined() -> None:
    body = b": still here\n\nretry: 5\n\ndata: a\ndata:b\n\n"
    assert parsed(body, []) == [Message(None, "", "a\nb")]


def test_a_block_may_hold_a_number_only() -> None:
    assert parsed(b"id: 7\n\n", []) == [Message("7", "", None)]
