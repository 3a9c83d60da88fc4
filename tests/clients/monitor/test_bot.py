"""What a bot sends over its websocket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.monitor.bot import (
    MOST_MESSAGE,
    BotError,
    Clock,
    Header,
    Hello,
    Piece,
    packed,
    read_bye,
    read_hello,
    read_piece,
)

HELLO = Hello(type="hello")


@given(st.floats(0, 1e6), st.binary(min_size=1, max_size=500).filter(lambda b: len(b) % 2 == 0))
def test_a_piece_comes_as_it_was_packed(time_s: float, content: bytes) -> None:
    piece = read_piece(packed("audio", time_s, content), HELLO)
    assert (piece.header.kind, piece.header.time_s, piece.content) == ("audio", time_s, content)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_piece_or_refused(message: bytes) -> None:
    try:
        piece = read_piece(message, HELLO)
    except BotError:
        return
    assert isinstance(piece, Piece)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"", "length of its header"),
        (b"\xff\xff\xff\xff{}", "does not fit"),
        (packed("audio", 0.0, b"\0"), "16 bit"),
        (packed("audio", 0.0, b"\0" * 400_000), "ten seconds"),
        (packed("video", 0.0, b"x" * MOST_MESSAGE), "at most 4194304 bytes, not 4194"),
        (packed("video", 0.0, b"x").replace(b"video", b"smell"), "kind"),
    ],
)
def test_what_is_wrong_with_a_piece_is_said(message: bytes, said: str) -> None:
    with pytest.raises(BotError, match=said):
        read_piece(message, HELLO)


def test_what_was_not_promised_is_refused() -> None:
    deaf = Hello(type="hello", audio=False)
    with pytest.raises(BotError, match="not promised"):
        read_piece(packed("audio", 0.0, b"\0\0"), deaf)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type": "pause"}', "must be 'bye', not 'pause'"),
        ("{}", "type: must be there"),
        ("bye", "not JSON"),
        ("", "nothing in it"),
    ],
)
def test_a_text_that_is_no_bye_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(BotError, match=r'a text is {"type": "bye"}.*' + said):
        read_bye(text)
    assert read_bye('{"type": "bye"}').type == "bye"


def test_times_of_sound_and_of_picture_do_not_go_back_each_by_itself() -> None:
    clock = Clock()
    for kind, time_s in (("audio", 5.0), ("video", 1.0), ("audio", 5.0), ("video", 2.0)):
        clock.goes_on(Header.model_validate({"kind": kind, "time_s": time_s}))
    with pytest.raises(BotError, match=r"time_s of audio goes back from 5 to 4\.96"):
        clock.goes_on(Header(kind="audio", time_s=4.96))


def test_a_hello_must_bring_something_and_know_the_secret() -> None:
    assert read_hello('{"type": "hello", "secret": "s"}', "s").audio
    with pytest.raises(BotError, match="secret"):
        read_hello('{"type": "hello"}', "s")
    with pytest.raises(BotError, match="audio, video, or both"):
        read_hello('{"type": "hello", "audio": false, "video": false}', None)
    with pytest.raises(BotError, match="must be a hello"):
        read_hello(b"\x00\x01", None)
