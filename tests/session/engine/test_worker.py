"""The engine thread: fairness, overload, cancelling, errors; on a clock that the engine moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from session.engine import reports
from session.engine.jobs import Ask, Cancel, Close, Configure, Open
from session.engine.overload import MAX_BEHIND, Waiting
from session.engine.rows import EngineBroken, kind_of
from session.engine.worker import Worker
from sieve.errors import QuestionTooLong
from tests.session.fakes import Clock, FakeEngine, raw


class Bench:
    """A worker without its thread: the test runs the jobs and moves the clock."""

    def __init__(self, *, ingest_s: float = 0.0, step_s: float = 0.0, max_branches: int = 16):
        self.clock = Clock()
        self.engine = FakeEngine(clock=self.clock, ingest_s=ingest_s, step_s=step_s)
        self.reports: list[reports.Report] = []
        self.ended = threading.Event()  # a turn has
        self.worker = Worker(
            self.engine,
            retention=0.2,
            max_branches=max_branches,
            deliver=self.hear,
            now=self.clock,
        )

    def hear(self, report: reports.Report) -> None:
        self.reports.append(report)
        if isinstance(report, reports.TurnEnded):
            self.ended.set()

    def open(self, *sessions: str) -> None:
        for session in sessions:
            self.worker.control(Open(session))
        self.work()

    def window(self, session: str, index: int) -> None:
        self.worker.window(session, Waiting(index, raw(index), self.clock.now))

    def ask(self, session: str, turn: str, question: str = "what is it") -> None:
        self.worker.ask(Ask(session, turn, question, (), None, 256))

    def work(self, until: float = float("inf"), jobs: int = 10_000) -> None:
        """Run what waits, as the thread would, until there is nothing left or time is up."""
        for _ in range(jobs):
            if self.clock.now >= until or not self.worker.run_one():
                return

    def of(self, *kinds: type[reports.Report]) -> list[reports.Report]:
        return [report for report in self.reports if isinstance(report, kinds)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_question_is_begun_said_and_ended(bench: Bench) -> None:
    bench.open("a")
    bench.window("a", 0)
    bench.ask("a", "1")
    bench.work()
    told = [type(report).__name__ for report in bench.reports]
    assert told == ["Opened", "WindowDone", "TurnBegun", *["TurnSaid"] * 5, "TurnEnded"]
    text = "".join(r.text for r in bench.reports if isinstance(r, reports.TurnSaid))
    assert text == "what is it at 1"


def test_the_first_token_comes_with_the_beginning(bench: Bench) -> None:
    bench.open("a", "b")
    bench.ask("a", "1")
    bench.ask("b", "2")
    bench.work(jobs=1)
    assert [kind for kind, _ in bench.engine.log] == ["ask", "step"]


def test_it_ingests_while_it_answers() -> None:
    """Four sessions on a slow engine, one of them asked without end: nobody starves."""
    bench = Bench(ingest_s=0.1, step_s=0.05)
    sessions = [f"s{n}" for n in range(4)]
    bench.open(*sessions)
    for turn in range(3):
        bench.ask("s0", f"t{turn}", "slowly")
    start = bench.clock.now
    for period in range(6):
        for session in sessions:
            bench.window(session, period)
        bench.work(until=start + 2.0 * (period + 1))
    done = bench.of(reports.WindowDone)
    assert len(done) == 24
    assert not bench.of(reports.WindowSkipped)
    steps = [number for kind, number in bench.engine.log if kind == "step"]
    assert len(steps) > 100
    assert max(steps.count(n) for n in set(steps)) - min(steps.count(n) for n in set(steps)) <= 1


def test_at_most_two_windows_behind_with_every_loss_told() -> None:
    bench = Bench(ingest_s=5.0)
    bench.open("a")
    start = bench.clock.now
    for index in range(20):
        bench.clock.now = max(bench.clock.now, start + 2.0 * index)
        bench.window("a", index)
        assert bench.worker.behind("a") <= MAX_BEHIND
        bench.work(until=start + 2.0 * (index + 1))
    bench.work()
    ingested = [r.waiting.index for r in bench.reports if isinstance(r, reports.WindowDone)]
    skipped = [r.waiting.index for r in bench.reports if isinstance(r, reports.WindowSkipped)]
    assert sorted(ingested + skipped) == list(range(20))
    levels = [r.level for r in bench.reports if isinstance(r, reports.LevelChanged)]
    assert levels[0] == "frame_rate"
    assert "skipped" in levels


def test_overload_halves_the_retention_and_recovery_restores_it(bench: Bench) -> None:
    bench.open("a")
    for index in range(3):
        bench.window("a", index)
    bench.work()
    for index in range(3, 20):
        bench.window("a", index)
        bench.work()
    in_force = [r.retention for r in bench.reports if isinstance(r, reports.WindowDone)]
    assert in_force[0] == 0.1
    assert in_force[-1] == 0.2
    levels = [r.level for r in bench.reports if isinstance(r, reports.LevelChanged)]
    assert levels == ["frame_rate", "skipped", "retention", "frame_rate", "none"]
    assert bench.engine.open_rows[0].retention == 0.2


def test_a_retention_chosen_under_overload_holds_afterwards(bench: Bench) -> None:
    bench.open("a")
    for index in range(3):
        bench.window("a", index)
    bench.worker.control(Configure("a", retention=0.6))
    bench.work()
    assert bench.engine.open_rows[0].retention == 0.3
    for index in range(3, 20):
        bench.window("a", index)
        bench.work()
    assert bench.engine.open_rows[0].retention == 0.6


def test_cancelling_stops_within_one_step(bench: Bench) -> None:
    bench.open("a")
    bench.ask("a", "1", "slowly")
    bench.work(jobs=5)
    bench.worker.control(Cancel("a", "1"))
    said = len(bench.of(reports.TurnSaid))
    bench.work()
    assert len(bench.of(reports.TurnSaid)) == said
    ended = bench.of(reports.TurnEnded)
    assert [r.status for r in ended if isinstance(r, reports.TurnEnded)] == ["cancelled"]
    assert not bench.engine.branches


def test_a_turn_ends_once_however_often_it_is_cancelled(bench: Bench) -> None:
    bench.open("a")
    bench.ask("a", "1")
    bench.work()
    bench.ask("a", "2", "slowly")
    bench.work(jobs=3)
    for turn in ("1", "2", "2"):
        bench.worker.control(Cancel("a", turn))
    bench.work()
    ended = [(r.turn, r.status) for r in bench.reports if isinstance(r, reports.TurnEnded)]
    assert ended == [("1", "completed"), ("2", "cancelled")]


def test_a_question_that_still_waits_can_be_cancelled() -> None:
    bench = Bench(max_branches=1)
    bench.open("a")
    bench.ask("a", "1", "slowly")
    bench.ask("a", "2")
    bench.work(jobs=2)
    bench.worker.control(Cancel("a", "2"))
    bench.work(jobs=3)
    assert [r.turn for r in bench.reports if isinstance(r, reports.TurnEnded)] == ["2"]


def test_a_question_to_a_session_that_is_gone_fails_at_once(bench: Bench) -> None:
    bench.ask("nobody", "1")
    ended = bench.reports[-1]
    assert isinstance(ended, reports.TurnEnded)
    assert ended.status == "failed"


def test_an_error_in_one_session_closes_its_row_and_leaves_the_others(bench: Bench) -> None:
    bench.open("a", "b")
    bench.engine.poison = {0.0}
    bench.ask("a", "1", "slowly")
    bench.work(jobs=2)
    bench.window("a", 0)
    bench.work(jobs=2)
    failed = bench.of(reports.Failed)
    assert [r.session for r in failed] == ["a"]
    assert list(bench.engine.open_rows) == [1]
    assert not bench.engine.branches
    bench.ask("b", "2")
    bench.work()
    last = bench.reports[-1]
    assert isinstance(last, reports.TurnEnded)
    assert last.status == "completed"


def test_a_question_the_engine_refuses_fails_alone(bench: Bench) -> None:
    bench.open("a")
    bench.ask("a", "1", "too long")
    bench.ask("a", "2")
    bench.work()
    ended = [r for r in bench.reports if isinstance(r, reports.TurnEnded)]
    assert [(r.status, r.kind) for r in ended] == [
        ("failed", "question_too_long"),
        ("completed", None),
    ]
    assert not bench.of(reports.Failed)


def test_a_history_that_is_too_long_loses_its_oldest_turns(bench: Bench) -> None:
    bench.open("a")
    history = tuple((f"{n}" * 30, "yes") for n in range(5))
    bench.worker.ask(Ask("a", "1", "and now", history, None, 64))
    bench.work()
    ((_, asked, _),) = bench.engine.asked
    assert asked == history[2:]


def test_an_engine_that_is_not_sound_is_not_used_any_more(bench: Bench) -> None:
    bench.open("a")
    bench.engine.sound = False
    bench.ask("a", "1", "explode")
    with pytest.raises(EngineBroken):
        bench.work()


def test_no_row_free_is_told_and_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.open("a", "b", "c", "d", "e")
    assert [r.session for r in bench.of(reports.Refused)] == ["e"]
    bench.worker.control(Close("a"))
    bench.open("e")
    assert len(bench.of(reports.Opened)) == 5


@pytest.fixture
def running() -> Iterator[Bench]:
    bench = Bench()
    bench.worker.start()
    yield bench
    bench.worker.stop()
    assert not bench.worker.alive
    assert "engine" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_works_off_what_is_posted_and_gives_every_row_back(running: Bench) -> None:
    running.worker.control(Open("a"))
    running.ask("a", "1")
    assert running.ended.wait(10)
    running.worker.stop()
    assert not running.engine.open_rows


def test_errors_have_the_names_clients_read() -> None:
    assert kind_of(QuestionTooLong("")) == "question_too_long"
