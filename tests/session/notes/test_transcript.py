"""Notes as Markdown and WebVTT."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from session import wire
from session.notes.transcript import clock, cue_text, markdown, stamp, webvtt
from tests.session.described import session
from tests.session.notes.test_records import note

CUE = re.compile(r"\d\d+:\d\d:\d\d\.\d{3} --> \d\d+:\d\d:\d\d\.\d{3}")

SESSION = session(id="ses_a", room="door", created_at=1_800_000_000.0, clock_s=180.0)


def test_markdown_names_times_and_lets_no_text_format_it() -> None:
    text = markdown(SESSION, [note(1, "a *red* [circle](x)")])
    assert "- **1:00 to 2:00**" in text
    assert r"a \*red\* \[circle\](x)" in text


def test_webvtt_has_a_cue_a_note_in_order() -> None:
    text = webvtt([note(2, "later"), note(1, "a < b & c --> d")])
    assert text.startswith("WEBVTT\n\n")
    assert "00:01:00.000 --> 00:02:00.000\na &lt; b &amp; c --&gt; d\n" in text
    assert text.index("00:01:00.000") < text.index("later")


@given(texts=st.lists(st.text(), max_size=4))
def test_no_text_makes_a_cue_of_its_own(texts: list[str]) -> None:
    text = webvtt([note(number, said) for number, said in enumerate(texts)])
    assert len(CUE.findall(text)) == len(texts)


@given(text=st.text())
def test_a_cue_is_one_line(text: str) -> None:
    assert len(cue_text(text).splitlines()) <= 1


def test_times_read_as_people_write_them() -> None:
    assert [clock(s) for s in (0, 90.9, 3_700)] == ["0:00", "1:30", "1:01:40"]
    assert [stamp(s) for s in (0, 90.5, 360_000)] == [
        "00:00:00.000",
        "00:01:30.500",
        "100:00:00.000",
    ]


def test_no_notes_are_still_a_document() -> None:
    assert webvtt([]) == "WEBVTT\n"
    assert markdown(SESSION, []).startswith("# Notes of ")


def test_a_note_has_the_fields_of_its_row() -> None:
    assert list(wire.Note.model_fields)[:4] == ["id", "session", "start_s", "end_s"]
