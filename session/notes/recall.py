"""When a question is answered from the notes, and which of them. Pure.

The rule: where the request says `only`, or where it leaves it to the service (`auto`) and the
question names a time that lies before the oldest moment still remembered. What the question calls a
time: "5 minutes ago", "an hour ago", "at 3:20", "at 1:02:03", "between 1:00 and 2:00", "in the
first minute" (times on the session clock).

Which: those of that time; without one, those that hold words of the question; where it names
nothing ("what happened?"), the newest. At most `MOST_NOTES`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from session import wire
from session.notes.transcript import clock

ABOUT_S = 30.0  # around a named moment
MOST_NOTES = 8
CAUTION = "From the notes: "

# Words that ask and name nothing.
_EVERYDAY = """
    a about after again all also an and any anything are at be been before briefly by can could did
    do does else ever everything far for from give gone going had happen happened happening happens
    has have hear heard how i in is it it's its just know last later latest let's list me miss
    missed more most
    much my new news newest note noted notes now of on or our overview please recap recent recently
    record recorded remember report said saw say see seen shall short should show since so some
    something still story sum summaries summarise summarised summarize summarized summary tell than
    that that's the their them then there there's these they thing things this those through to
    today told until up us was watched we were what what's when where which while who why will with
    would yet you your
"""
EVERYDAY = frozenset(_EVERYDAY.split())
_UNIT_S = {"second": 1.0, "minute": 60.0, "hour": 3_600.0}
_AGO = re.compile(r"\b(an?|\d{1,6})\s+(second|minute|hour)s?\s+ago\b", re.IGNORECASE)
_AT = re.compile(r"\bat\s+((?:\d{1,3}:)?\d{1,3}:\d{2})\b", re.IGNORECASE)
_BETWEEN = re.compile(
    r"\b(?:between|from)\s+((?:\d{1,3}:)?\d{1,3}:\d{2})\s+(?:and|to|until)\s+"
    r"((?:\d{1,3}:)?\d{1,3}:\d{2})\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\bfirst\s+(?:(\d{1,6})\s+)?(second|minute|hour)s?\b", re.IGNORECASE)


def named_time(question: str, now_s: float) -> tuple[float, float] | None:
    """The stretch of session time that a question names, if any."""
    if found := _BETWEEN.search(question):
        start_s, end_s = sorted((seconds(found[1]), seconds(found[2])))
        return start_s, end_s
    if found := _AT.search(question):
        return about(seconds(found[1]))
    if found := _AGO.search(question):
        number = 1 if found[1].isalpha() else int(found[1])
        return about(now_s - number * _UNIT_S[found[2].lower()])
    if found := _FIRST.search(question):
        return 0.0, int(found[1] or 1) * _UNIT_S[found[2].lower()]
    return None


def names_nothing(question: str) -> bool:
    """Whether no word of it could tell one note from another: "what happened?", "summarise"."""
    plain = question.replace("\u2019", "'")  # as phones write it
    words = {word.lower() for word in re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)}
    return bool(words) and words <= EVERYDAY


def about(moment_s: float) -> tuple[float, float]:
    return max(0.0, moment_s - ABOUT_S), max(0.0, moment_s + ABOUT_S)


def seconds(text: str) -> float:
    """ "1:30" -> 90, "1:00:00" -> 3600."""
    total = 0
    for part in text.split(":"):
        total = 60 * total + int(part)
    return float(total)


def wants_notes(how: wire.UseOfNotes, question: str, now_s: float, oldest_s: float | None) -> bool:
    """The rule above; `oldest_s` is the oldest moment in the memory."""
    if how != "auto":
        return how == "only"
    stretch = named_time(question, now_s)
    return stretch is not None and (oldest_s is None or stretch[1] <= oldest_s)


def told(notes: Sequence[wire.Note]) -> str:
    """The answer where the notes are read out: that they are notes, and their times."""
    if not notes:
        return f"{CAUTION}no note holds these words or is of that time."
    lines = [f"{clock(n.start_s)} to {clock(n.end_s)}, {n.text}" for n in notes]
    return CAUTION + "; ".join(lines) + "."


def given(notes: Sequence[wire.Note], question: str) -> str:
    """The question as a model reads it that can read notes."""
    lines = [f"[{clock(n.start_s)} to {clock(n.end_s)}] {n.text}" for n in notes]
    return (
        "These notes were written earlier, while watching; what they tell of is no longer in "
        f"view:\n{chr(10).join(lines)}\nAnswer from these notes alone: {question}"
    )
