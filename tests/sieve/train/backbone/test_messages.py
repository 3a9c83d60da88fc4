"""Lines of JSON as other trainers write them; what is wrong with a line is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sieve.train.backbone.messages import CHOICE_CUE, Turn, Unusable, choice_turn, conversation


def said(*messages: tuple[str, Any], **more: Any) -> bytes:
    listed = [{"role": role, "content": content} for role, content in messages]
    return json.dumps({"messages": listed, **more}).encode()


def spanned(start: float, end: float | None = None) -> bytes:
    part = {"type": "video", "video": "a", "video_start": start, "video_end": end}
    return said(("user", [part, PARTS[1]]), ("assistant", "A"))


PARTS = [{"type": "video", "video": "a.mp4"}, {"type": "text", "text": "What happens?"}]


def test_content_parts_name_their_files() -> None:
    found = conversation(said(("user", PARTS), ("assistant", "A dog barks.")))
    assert (found.video, found.audio) == ("a.mp4", None)
    assert found.turns == (Turn("What happens?", "A dog barks."),)


def test_placeholders_take_their_files_from_the_lists() -> None:
    line = said(
        ("user", "<video><audio>What happens?"),
        ("assistant", "A dog barks."),
        videos=["a.mp4"],
        audios=["a.wav"],
    )
    found = conversation(line)
    assert (found.video, found.audio) == ("a.mp4", "a.wav")
    assert found.turns == (Turn("What happens?", "A dog barks."),)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "file:///x/a.mp4"}},
        {"type": "video", "video": "/x/a.mp4"},
    ],
)
def test_a_url_of_a_file_is_a_file(part: dict[str, Any]) -> None:
    line = said(("user", [part, PARTS[1]]), ("assistant", "Yes."))
    assert conversation(line).video == "/x/a.mp4"


def test_a_span_is_read() -> None:
    part = {"type": "video", "video": "a.mp4", "video_start": 2, "video_end": 7.5}
    found = conversation(said(("user", [part, PARTS[1]]), ("assistant", "Yes.")))
    assert (found.start_s, found.end_s) == (2.0, 7.5)


def test_the_span_is_the_videos_wherever_it_stands() -> None:
    sound = {"type": "audio", "audio": "a.wav"}
    part = {"type": "video", "video": "a.mp4", "video_start": 2, "video_end": 7.5}
    found = conversation(said(("user", [sound, part, PARTS[1]]), ("assistant", "Yes.")))
    assert (found.start_s, found.end_s) == (2.0, 7.5)


def test_the_system_message_is_the_instruction() -> None:
    line = said(("system", "Be short."), ("user", PARTS), ("assistant", "Yes."))
    assert conversation(line).instruction == "Be short."
    assert (
        conversation(said(("user", PARTS), ("assistant", "Y"), system="So.")).instruction == "So."
    )


def test_a_conversation_may_go_on() -> None:
    line = said(("user", PARTS), ("assistant", "A"), ("user", "And then?"), ("assistant", "B"))
    assert conversation(line).turns == (Turn("What happens?", "A"), Turn("And then?", "B"))


OPTIONS = ["A. a dog", "B. a cat", "C. nothing"]


@pytest.mark.parametrize("answer", ["B", "b. a cat".capitalize(), "(B)", "a cat", "B."])
def test_an_answer_among_the_options_becomes_its_letter(answer: str) -> None:
    line = said(("user", PARTS), options=OPTIONS, answer=answer)
    (turn,) = conversation(line).turns
    assert turn.answer == "B"
    assert turn.question.splitlines() == ["What happens?", "Options:", *OPTIONS, CHOICE_CUE]


def test_options_get_letters_where_they_have_none() -> None:
    turn = choice_turn("Which?", "two", ["one", "two"])
    assert turn.answer == "B"
    assert "A. one\nB. two" in turn.question


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{not json", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1, 2]", "must be an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"messages": ' + b"1" * 6_000 + b"}", "not JSON"),
        (said(("user", PARTS), ("assistant", "\ud800")), "half of a character"),
        (spanned(float("inf")), r"messages\.0\.content\.0\.video\.video_start: .*finite"),
        (spanned(0.0, float("nan")), "video_end: .*finite"),
        (spanned(1e300), "video_start: must be at most"),
        (spanned(-1.0), "video_start: must be at least"),
        (said(("user", [{"type": "video", "video": ""}, PARTS[1]])), "video: .*at least 1"),
        (said(("user", "<video>What?"), ("assistant", "A"), videos=[""]), r"videos\.0"),
        (said(("user", 5), ("assistant", "A")), r"messages\.0\.content: "),
        (said(("user", PARTS), options=["a dog", "A. a dog"], answer="A"), "no two say the same"),
        (said(("user", PARTS), options=["a dog", " "], answer="A"), "each says something"),
        (b'{"messages": []}', "messages"),
        (said(("bot", PARTS)), "messages.0.role: .*'system', 'user' or 'assistant'"),
        (said(("user", [{"type": "image", "image": "a.png"}])), "messages.0.content"),
        (said(("assistant", "Hello."), ("user", PARTS)), "take turns"),
        (said(("user", PARTS), ("user", PARTS)), "take turns"),
        (said(("user", PARTS)), "no answer"),
        (said(("user", PARTS), ("assistant", "A"), answer="B"), "one of the two"),
        (said(("user", "What?"), ("assistant", "A")), "0 videos and 0 audio"),
        (said(("user", [*PARTS, PARTS[0]]), ("assistant", "A")), "2 videos"),
        (said(("user", PARTS), ("assistant", "A"), ("user", PARTS), ("assistant", "B")), "first"),
        (said(("user", "<video>What?"), ("assistant", "A")), "0 are listed for 1 <video>"),
        (
            said(("user", "<video>What?"), ("assistant", "A"), videos=["a", "b"]),
            "2 are listed for 1 <video>",
        ),
        (said(("user", PARTS), ("assistant", "  ")), "text 2 is empty"),
        (said(("user", [PARTS[0]]), ("assistant", "A")), "text 1 is empty"),
        (said(("user", PARTS), options=OPTIONS, answer="D"), "'D' is not among the options"),
        (said(("user", PARTS), options=OPTIONS, answer="a horse"), "not among the options"),
        (said(("user", PARTS), options=["one"], answer="A"), "options"),
        (
            said(("user", PARTS), options=["B. a cow", "A. a cat"], answer="B"),
            "lettered B, A; A, B would be right",
        ),
        (
            said(("user", "<video>Which?\nA. a dog\nB. a cat"), ("assistant", "C"), videos=["a"]),
            "'C' is not among the options A, B",
        ),
        (
            said(
                (
                    "user",
                    [{"type": "video", "video": "a", "video_start": 5, "video_end": 4}, PARTS[1]],
                ),
                ("assistant", "A"),
            ),
            "not after",
        ),
        (
            said(
                ("user", [{"type": "video", "video": "https://a/b.mp4"}, PARTS[1]]),
                ("assistant", "A"),
            ),
            "not from the network",
        ),
    ],
)
def test_what_is_wrong_is_told(line: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        conversation(line)


def test_prose_with_numbered_lines_is_no_question_of_choices() -> None:
    line = said(("user", "<video>Say A or B."), ("assistant", "C"), videos=["a"])
    assert conversation(line).turns[0].answer == "C"
