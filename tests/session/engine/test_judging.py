"""Standing queries on the engine thread: together, after windows, never before them."""

from __future__ import annotations

from session.engine import reports
from session.engine.jobs import Close, Open, Watch
from session.engine.overload import Waiting
from session.engine.schedule import JUDGED_WITHIN_S
from session.engine.worker import Worker
from sieve.tokens import Query
from tests.session.fakes import Clock, FakeEngine, raw


class Bench:
    """A worker without its thread: the test runs the jobs and moves the clock."""

    def __init__(self, *sessions: str, ingest_s: float = 0.0, judge_s: float = 0.0) -> None:
        self.clock = Clock()
        self.engine = FakeEngine(clock=self.clock, ingest_s=ingest_s, judge_s=judge_s)
        self.reports: list[reports.Report] = []
        self.worker = Worker(
            self.engine,
            retention=0.2,
            max_branches=4,
            deliver=self.reports.append,
            now=self.clock,
        )
        for session in sessions:
            self.worker.control(Open(session))
        self.work()

    def watch(self, session: str, *questions: str) -> None:
        named = tuple((f"w{number}", Query(question)) for number, question in enumerate(questions))
        self.worker.control(Watch(session, named))
        self.work()

    def window(self, session: str, index: int) -> None:
        self.worker.window(session, Waiting(index, raw(index), self.clock.now))

    def work(self) -> None:
        while self.worker.run_one():
            pass

    @property
    def judged(self) -> list[reports.Judged]:
        return [report for report in self.reports if isinstance(report, reports.Judged)]

    @property
    def not_judged(self) -> list[reports.NotJudged]:
        return [report for report in self.reports if isinstance(report, reports.NotJudged)]


def test_all_sessions_whose_windows_came_are_judged_in_one_pass() -> None:
    bench = Bench("a", "b", "c")
    bench.watch("a", "is it? since 0", "is it? since 99")
    bench.watch("b", "is it? since 0")
    bench.engine.log.clear()
    for session in "abc":
        bench.window(session, 0)
    bench.work()
    assert [kind for kind, _ in bench.engine.log] == ["ingest"] * 3 + ["judge"]
    assert [(r.session, r.index) for r in bench.judged] == [("a", 0), ("b", 0)]
    assert {w: v.yes for w, v in bench.judged[0].verdicts.items()} == {"w0": 0.9, "w1": 0.1}


def test_a_session_without_watches_is_not_judged() -> None:
    bench = Bench("a")
    bench.watch("a", "is it?")
    bench.watch("a")
    bench.window("a", 0)
    bench.work()
    assert not bench.judged


def test_windows_that_wait_go_first_and_what_they_overtake_is_told() -> None:
    bench = Bench("a")
    bench.watch("a", "is it?")
    bench.window("a", 0)
    bench.window("a", 1)
    bench.work()
    assert [(r.index, r.start_s) for r in bench.not_judged] == [(0, 0.0)]
    assert [r.index for r in bench.judged] == [1]


def test_a_verdict_that_would_come_too_late_is_left_out() -> None:
    bench = Bench("a", ingest_s=JUDGED_WITHIN_S + 0.1)
    bench.watch("a", "is it?")
    bench.window("a", 0)
    bench.work()
    assert not bench.judged
    assert [r.reason for r in bench.not_judged] == ["the engine is behind"]


def test_slow_judging_costs_no_window() -> None:
    """A judge that takes a window's time: half of the windows go without, all are ingested."""
    bench = Bench("a", "b", ingest_s=0.1, judge_s=2.1)
    bench.watch("a", "is it?")
    bench.watch("b", "is it?")
    begin = bench.clock.now
    index = 0
    while index < 12:
        while index < 12 and begin + 2 * index <= bench.clock.now:
            bench.window("a", index)
            bench.window("b", index)
            index += 1
        if not bench.worker.run_one():
            bench.clock.sleep(0.1)
    bench.work()
    done = [r for r in bench.reports if isinstance(r, reports.WindowDone)]
    assert len(done) == 24
    assert not [r for r in bench.reports if isinstance(r, reports.WindowSkipped)]
    assert len(bench.judged) + len(bench.not_judged) == 24
    assert len(bench.judged) >= 8


def test_what_the_engine_refuses_is_told_and_nothing_changes() -> None:
    bench = Bench("a")
    bench.watch("a", "is it? since 0")
    bench.watch("a", "this is too long")
    (refused,) = [r for r in bench.reports if isinstance(r, reports.Refused)]
    assert refused.kind == "question_too_long"
    bench.window("a", 0)
    bench.work()
    assert list(bench.judged[0].verdicts) == ["w0"]


def test_an_error_in_one_session_harms_no_other() -> None:
    bench = Bench("a", "b")
    bench.watch("a", "does it explode later?")
    bench.watch("b", "is it?")
    bench.window("a", 0)
    bench.window("b", 0)
    bench.work()
    assert [r.session for r in bench.judged] == ["b"]
    assert [r.session for r in bench.reports if isinstance(r, reports.Failed)] == ["a"]


def test_a_session_that_closed_meanwhile_is_not_judged() -> None:
    bench = Bench("a", "b")
    for session in "ab":
        bench.watch(session, "is it?")
    for session in "ab":
        bench.window(session, 0)
    bench.worker.run_one()
    bench.worker.run_one()
    bench.worker.control(Close("a"))
    bench.work()
    assert [r.session for r in bench.judged] == ["b"]
