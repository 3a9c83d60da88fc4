"""What the engine does next."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from session.engine.jobs import Advance, Ask, Cancel, Close, Ingest, Job, Judge, Open, Settle
from session.engine.overload import Waiting
from session.engine.schedule import URGENT_S, Schedule
from sieve.tokens import Query
from tests.session.fakes import raw


def ask(session: str, turn: str) -> Ask:
    return Ask(session, turn, "what?", (), None, 64)


def waiting(index: int, arrived: float = 0.0) -> Waiting:
    return Waiting(index, raw(index), arrived)


def schedule(*sessions: str, max_branches: int = 16) -> Schedule:
    made = Schedule(max_branches)
    for session in sessions:
        made.control(Open(session))
        assert made.take(0.0) == Open(session)
    return made


def begin(made: Schedule, session: str, turn: str) -> None:
    """A question that has its branch."""
    made.ask(ask(session, turn))
    assert isinstance(made.take(0.0), Ask)
    made.began(session, turn)


def drain(made: Schedule, count: int, now: float = 0.0) -> Iterator[Job | None]:
    for _ in range(count):
        job = made.take(now)
        if isinstance(job, Ingest):
            made.ingested(job.session)
        yield job


def test_with_nothing_to_do_there_is_no_job() -> None:
    assert schedule("a").take(0.0) is None


def test_control_comes_before_everything_else() -> None:
    made = schedule("a", "b")
    begin(made, "a", "1")
    made.window("a", waiting(0))
    made.control(Cancel("a", "1"))
    made.control(Close("b"))
    assert [made.take(0.0), made.take(0.0)] == [Cancel("a", "1"), Close("b")]


def test_between_two_windows_every_branch_takes_one_step() -> None:
    made = schedule("a", "b", "c")
    for turn in ("1", "2", "3"):
        begin(made, "a", turn)
    for session in ("a", "b", "c"):
        made.window(session, waiting(0))
    kinds = [type(job).__name__ for job in drain(made, 9)]
    assert kinds == ["Ingest", *["Advance"] * 3, "Ingest", *["Advance"] * 3, "Ingest"]


def test_branches_take_turns() -> None:
    made = schedule("a", "b")
    begin(made, "a", "1")
    begin(made, "b", "2")
    jobs = list(drain(made, 6))
    assert jobs == [Advance("a", "1"), Advance("b", "2")] * 3


def test_windows_that_are_late_let_only_one_step_in_between() -> None:
    made = schedule("a", "b")
    for turn in ("1", "2", "3", "4"):
        begin(made, "b", turn)
    made.window("a", waiting(0, arrived=0.0))
    made.window("b", waiting(0, arrived=0.0))
    kinds = [type(job).__name__ for job in drain(made, 4, now=URGENT_S + 0.1)]
    assert kinds == ["Ingest", "Advance", "Ingest", "Advance"]


def test_the_window_that_came_first_goes_first() -> None:
    made = schedule("a", "b")
    made.window("b", waiting(7, arrived=1.0))
    made.window("a", waiting(3, arrived=1.5))
    assert [job.session for job in drain(made, 2) if job] == ["b", "a"]


def test_a_question_waits_for_the_windows_before_it_and_no_longer() -> None:
    made = schedule("a", "b")
    made.window("b", waiting(0, arrived=0.0))
    made.window("a", waiting(0, arrived=0.5))
    made.ask(ask("a", "1"))
    first = made.take(1.0)
    assert isinstance(first, Ingest)
    assert first.session == "a"  # the question's own window overtakes an older one
    made.window("a", waiting(1, arrived=1.0))  # closed after the question came
    second = made.take(1.0)
    assert isinstance(second, Ask)


def test_a_question_does_not_wait_for_a_window_that_was_given_up() -> None:
    made = schedule("a")
    made.window("a", waiting(0))
    made.window("a", waiting(1))
    made.ask(ask("a", "1"))
    for index in range(2, 4):  # both windows before the question are pushed out
        arrival = made.window("a", waiting(index))
        assert arrival is not None
        assert arrival.skipped is not None
    assert isinstance(made.take(0.0), Ask)


def test_no_more_branches_than_there_are_and_the_session_with_fewest_comes_first() -> None:
    made = schedule("a", "b", max_branches=2)
    begin(made, "a", "1")
    made.ask(ask("a", "2"))
    made.ask(ask("b", "3"))
    job = made.take(0.0)
    assert isinstance(job, Ask)
    assert job.session == "b"
    made.began("b", "3")
    assert all(isinstance(job, Advance) for job in drain(made, 4))
    made.ended("b", "3")
    assert isinstance(made.take(0.0), Ask)


def test_a_turn_that_ended_takes_no_more_steps() -> None:
    made = schedule("a")
    begin(made, "a", "1")
    made.ask(ask("a", "2"))
    made.ended("a", "1")
    made.ended("a", "2")
    assert made.take(0.0) is None


def test_a_closed_session_leaves_only_its_closing_behind() -> None:
    made = schedule("a")
    begin(made, "a", "1")
    made.window("a", waiting(0))
    made.ask(ask("a", "2"))
    made.control(Close("a"))
    assert [*drain(made, 2)] == [Close("a"), None]
    assert made.window("a", waiting(1)) is None
    assert not made.ask(ask("a", "3"))
    assert made.take(0.0) is None


def test_steps_go_on_while_no_window_comes_and_windows_while_no_question_does() -> None:
    made = schedule("a")
    begin(made, "a", "1")
    assert len([job for job in drain(made, 5) if isinstance(job, Advance)]) == 5
    made.ended("a", "1")
    made.window("a", waiting(0))
    assert isinstance(made.take(0.0), Ingest)


@given(
    moves=st.lists(st.sampled_from(["window a", "window b", "settle a", "take", "take"])),
    judged=st.booleans(),
)
def test_a_session_is_settled_when_and_only_when_nothing_of_its_windows_is_left(
    moves: list[str], judged: bool
) -> None:
    made = schedule("a", "b")
    if judged:
        made.watch("a", (("w", Query("is it there?")),))
    left: set[int] = set()  # windows of a that are not done
    awaited = False
    for index, move in enumerate([*moves, *["take"] * 20]):
        if move == "settle a":
            made.settle("a")
            awaited = True
        elif move.startswith("window"):
            arrival = made.window(move[-1], waiting(index))
            assert arrival is not None
            if move == "window a":
                left = left - {arrival.skipped.index if arrival.skipped else -1} | {index}
        elif isinstance(job := made.take(0.0), Settle):
            assert awaited
            assert not left
            awaited = False
        elif isinstance(job, Ingest):
            made.ingested(job.session)
            if job.session == "a":
                overtaken = made.judge("a", job.waiting)
                left -= {overtaken.index if overtaken else -1}
                left -= set() if judged else {job.waiting.index}
        elif isinstance(job, Judge):
            left -= {due.index for due in job.due}
    assert not awaited


def test_who_waits_for_windows_does_not_wait_for_those_of_others() -> None:
    made = schedule("a", "b")
    made.window("b", waiting(0))
    made.settle("a")
    assert made.take(0.0) == Settle("a")
    made.settle("nobody")
