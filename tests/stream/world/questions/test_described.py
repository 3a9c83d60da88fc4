"""One line about the last seconds and the last minute, told from notes."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given

from stream.world.plot import Varied
from stream.world.scene import OBJECTS, SOUNDS, Scene
from tests.stream.world.questions.recording import TICK_S, Recording, Span, asked, few, spans


@given(spans)
@few
def test_the_last_seconds_are_told_picture_by_picture(span: Span) -> None:
    questions, recording = asked(span, "last_window")
    for q in questions:
        assert q.answer == _told(recording)
        assert q.evidence_s == (recording.now_s - 2.0, recording.now_s)


def _told(recording: Recording) -> str:
    count = round(2.0 / TICK_S)
    ticks = range(len(recording.times) - count, len(recording.times))
    told = []
    for _, group in groupby(ticks, key=lambda i: recording.cuts[i]):
        inside = list(group)
        sounds = list(dict.fromkeys(name for i in inside for name in recording.sounds[i]))
        parts = [
            " and ".join(f"a {name}" for name in names)
            for names in (recording.pictures[inside[0]], sounds)
            if names
        ]
        told.append(" with ".join(parts) or "nothing")
    return ", then ".join(text for text, _ in groupby(told))


@given(spans)
@few
def test_the_last_minute_is_its_last_six_events_the_newest_first(span: Span) -> None:
    questions, recording = asked(span, "last_minute")
    for q in questions:
        events = [(at_s, " and ".join(names)) for at_s, names in recording.runs() if names]
        events = sorted(events + recording.heard)[:-7:-1]
        assert q.answer == (", ".join(what for _, what in events) or "nothing")


def test_everything_said_is_a_name_the_world_has() -> None:
    rng = np.random.default_rng(0)
    said = []
    for seed in range(20):
        scene = Scene(seed, Varied())
        for now_s in rng.uniform(12, 150, 10):
            said += scene.questions(now_s, now_s - 12, rng, ["last_window", "last_minute"])
    answers = {q.kind: [one.answer for one in said if one.kind == q.kind] for q in said}
    assert len(answers["last_window"]) > 60
    assert len(answers["last_minute"]) > 60
    for answer in answers["last_minute"]:
        for part in answer.replace(" and ", ", ").split(", "):
            assert part in (*OBJECTS, *SOUNDS, "nothing")
    assert "nothing" in answers["last_window"]
    assert any(", then " in answer and " with a " in answer for answer in answers["last_window"])
    assert any(" and " in answer for answer in answers["last_minute"])
