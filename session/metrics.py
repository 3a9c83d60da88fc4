"""Plain counters of the service, in Prometheus' text format."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from session.engine import reports
from session.footprint import Footprint


@dataclass(slots=True)
class Metrics:
    """Totals since the start; written on the event loop's thread only."""

    sessions: int = 0
    subscribers_dropped: int = 0
    windows_ingested: int = 0
    windows_skipped: int = 0
    ingest_s: float = 0.0
    windows_judged: int = 0  # after which the watches of a session were judged
    windows_not_judged: int = 0
    tokens_seen: int = 0
    tokens_kept: int = 0
    answer_tokens: int = 0
    engine_errors: int = 0
    answers: Counter[str] = field(default_factory=Counter)  # by status
    overloads: Counter[str] = field(default_factory=Counter)  # by level reached

    def on_report(self, report: reports.Report) -> None:
        match report:
            case reports.WindowDone():
                self.windows_ingested += 1
                self.ingest_s += report.ingest_s
                self.tokens_seen += report.result.kept.seen.total
                self.tokens_kept += report.result.kept.kept.total
            case reports.WindowSkipped():
                self.windows_skipped += 1
            case reports.Judged():
                self.windows_judged += 1
            case reports.NotJudged():
                self.windows_not_judged += 1
            case reports.LevelChanged():
                self.overloads[report.level] += 1
            case reports.TurnSaid():
                self.answer_tokens += 1
            case reports.TurnEnded():
                self.answers[report.status] += 1
            case reports.Failed():
                self.engine_errors += 1
            case _:
                pass

    def render(self, *, live: int, held: Footprint | None) -> str:
        """Text format 0.0.4; `live` is the number of sessions now, `held` what they cost."""
        return "".join([*_gauges(live, held), _cpu(), *self._counters()])

    def _counters(self) -> Iterator[str]:
        counters: dict[str, float] = {
            "sessions_total": self.sessions,
            "subscribers_dropped_total": self.subscribers_dropped,
            "windows_ingested_total": self.windows_ingested,
            "windows_skipped_total": self.windows_skipped,
            "ingest_seconds_total": self.ingest_s,
            "watch_windows_judged_total": self.windows_judged,
            "watch_windows_skipped_total": self.windows_not_judged,
            "tokens_seen_total": self.tokens_seen,
            "tokens_kept_total": self.tokens_kept,
            "answer_tokens_total": self.answer_tokens,
            "engine_errors_total": self.engine_errors,
        }
        for name, value in counters.items():
            yield f"# TYPE echosieve_{name} counter\nechosieve_{name} {value:g}\n"
        yield from _labelled("answers_total", "status", self.answers)
        yield from _labelled("overloads_total", "level", self.overloads)


def _gauges(live: int, held: Footprint | None) -> Iterator[str]:
    gauges = {"echosieve_sessions": live}
    if held is not None:  # the first two have the names that Prometheus gives them everywhere
        gauges["process_anonymous_memory_bytes"] = held.anonymous_bytes
        gauges["process_open_fds"] = held.fds
        gauges["process_threads"] = held.threads
        gauges["echosieve_tasks"] = held.tasks
    for name, value in gauges.items():
        yield f"# TYPE {name} gauge\n{name} {value}\n"


def _cpu() -> str:
    name = "process_cpu_seconds_total"  # as Prometheus calls it everywhere
    return f"# TYPE {name} counter\n{name} {time.process_time():.3f}\n"


def _labelled(name: str, label: str, counts: Counter[str]) -> Iterator[str]:
    yield f"# TYPE echosieve_{name} counter\n"
    for value, count in sorted(counts.items()):
        yield f'echosieve_{name}{{{label}="{value}"}} {count}\n'
