"""Accuracy of a model on fresh streams of the synthetic world, through the real engine.

``python -m sieve.eval.accuracy --model demo --seed 1 --out accuracy.json``: streams are rendered,
ingested window by window, and asked at random moments about all that the model remembers then, at
each retention the same questions. Beside every figure stand two that need no sight: the share of
the most frequent answer (blind majority), and the chance of one who knows what occurs in the span
but not when. A third keeps as many tokens, refined alike, but random ones: what the choice of the
sieve is worth.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np

from sieve import Engine, EngineConfig, RowConfig, load_model
from sieve.baselines import RandomTokens, RefinedStates
from sieve.eval.asked import Asked, most_tokens
from sieve.eval.stats import Interval, Tally, accuracy_interval
from sieve.model import Model
from sieve.tokens import WINDOW_S, RawWindow
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.truth import WINDOW_TOKENS
from sieve.train.world.windows import closed_window, open_window
from stream.world.plot import FIRST_WORLD, Plot, Varied
from stream.world.questions import AUDIO_KINDS, KINDS, VIDEO_KINDS, Question

Tracks = Literal["both", "video", "audio"]
WORLDS: Mapping[str, Plot] = {
    "first": FIRST_WORLD,
    "varied": Varied("train"),  # compositions that training shows
    "held-out": Varied("held-out"),  # compositions that it never shows
}


@dataclass(frozen=True, slots=True)
class Plan:
    """``streams`` of ``world``, ``duration_s`` each, from ``seed`` on; ``moments`` of asking in
    each, up to ``questions`` at a moment. ``horizon_s``: what the model remembers of closed
    windows, and so what it is asked about. ``codec_share`` of the streams go through VP8 and Opus;
    of their ``tracks`` one may be missing. ``later_s``: the session's clock stands there already
    when the stream begins. ``look_back``: closed windows looked at again with the question.
    ``turns``: earlier questions and answers read with a new one."""

    seed: int
    streams: int = 10
    duration_s: float = 60.0
    moments: int = 20
    questions: int = 8
    codec_share: float = 0.5
    retentions: tuple[float, ...] = (1.0, 0.2, 0.1, 0.05)
    random_retentions: tuple[float, ...] = (0.2, 0.1)
    tracks: Tracks = "both"
    later_s: float = 0.0
    look_back: int = 0
    turns: int = 0
    world: str = "first"
    horizon_s: float = 12.0

    @property
    def slots(self) -> int:
        """Of the memory: the usual ones for prompt and open ends, and one for every token of what
        is asked about, so that nothing but the sieve drops any."""
        remembered_s = min(self.duration_s, self.horizon_s) + WINDOW_S
        return EngineConfig().slots + round(remembered_s / WINDOW_S * WINDOW_TOKENS)

    @property
    def kinds(self) -> Collection[str]:
        """What can be asked of the tracks there are."""
        return {"both": KINDS, "video": VIDEO_KINDS, "audio": AUDIO_KINDS}[self.tracks]

    @property
    def arms(self) -> list[Arm]:
        kept = [Arm(f"{r:.0%} kept", r) for r in self.retentions]
        return kept + [Arm(f"{r:.0%} random", r, at_random=True) for r in self.random_retentions]


@dataclass(frozen=True, slots=True)
class Arm:
    """What is compared: a retention, with tokens chosen by the model or at random."""

    name: str
    retention: float
    at_random: bool = False


def as_planned(window: RawWindow, plan: Plan) -> RawWindow:
    """The window as it comes from a stream with the plan's tracks, at the plan's time."""
    if plan.tracks == "video":
        window = replace(window, samples=None, lookahead=None)
    if plan.tracks == "audio":
        window = replace(window, grids=(), grid_times_s=())
    return window.moved(plan.later_s)


def plan_questions(stream: Stream, plan: Plan, seed: int) -> list[Asked]:
    """Questions at random moments, in order of time, about what the memory holds then."""
    rng = np.random.default_rng([seed, 41])
    end_s = stream.windows * WINDOW_S
    asked: list[Asked] = []
    for now_s in np.sort(rng.uniform(WINDOW_S, end_s - 0.1, plan.moments)):
        since_s = max(0.0, now_s // WINDOW_S * WINDOW_S - plan.horizon_s)
        offset_s = stream.offset_s
        found = stream.scene.questions(now_s + offset_s, since_s + offset_s, rng, plan.kinds)
        chosen = rng.permutation(len(found))[: plan.questions]
        asked += [Asked(found[int(i)], float(now_s)) for i in chosen]
    return asked


def answer_stream(
    engine: Engine, stream: Stream, questions: Sequence[Asked], retention: float, plan: Plan
) -> Iterator[Asked]:
    """Ingests the stream and puts every question at its moment."""
    row = engine.open(RowConfig(retention=retention))
    history: deque[tuple[str, str]] = deque(maxlen=plan.turns)
    ingested = 0
    for asked in questions:
        while (ingested + 1) * WINDOW_S <= asked.at_s:
            engine.ingest(row, as_planned(closed_window(stream, ingested), plan))
            ingested += 1
        opened = as_planned(open_window(stream, asked.at_s), plan)
        answered = _answer(engine, row, opened, asked, history)
        history.append((asked.question.text, answered))
        yield Asked(asked.question, asked.at_s, answered)
    engine.close(row)


def _answer(
    engine: Engine, row: int, opened: RawWindow, asked: Asked, history: Iterable[tuple[str, str]]
) -> str:
    text = asked.question.text
    most = most_tokens(engine.model, asked)
    begun = engine.ask(row, text, history=tuple(history), open_window=opened, max_tokens=most)
    said = ""
    while True:
        step = engine.step(begun.branch)
        said += step.text
        if step.done:
            return said


def measure(model: Any, plan: Plan) -> dict[str, Any]:
    """Everything, as plain numbers: by arm and kind the share of right answers."""
    config = EngineConfig(rows=1, slots=plan.slots, look_back=plan.look_back)
    engines = {arm: Engine(_with_choice(model, arm), config) for arm in plan.arms}
    answers: dict[str, list[list[Asked]]] = {arm.name: [] for arm in plan.arms}
    windows = round(plan.duration_s / WINDOW_S)
    for seed in range(plan.seed, plan.seed + plan.streams):
        stream = render_stream(seed, windows, plan.codec_share, WORLDS[plan.world])
        questions = plan_questions(stream, plan, seed)
        for arm, engine in engines.items():
            told = answer_stream(engine, stream, questions, arm.retention, plan)
            answers[arm.name].append(list(told))
    return _summary(plan, answers)


def _with_choice(model: Any, arm: Arm) -> Any:
    """Random tokens enter in the states that the model's own would have."""
    if not arm.at_random:
        return model
    return replace(model, selector=RefinedStates(RandomTokens(), model.selector))


def _summary(plan: Plan, answers: Mapping[str, Sequence[Sequence[Asked]]]) -> dict[str, Any]:
    """Of the answers by arm and stream."""
    asked = [question for stream in next(iter(answers.values())) for question in stream]
    kinds = [kind for kind in KINDS if any(a.question.kind == kind for a in asked)]
    by_kind = {k: [a.question for a in asked if a.question.kind == k] for k in kinds}
    tallies = {arm: tally(streams, kinds) for arm, streams in answers.items()}
    return {
        "world": plan.world,
        "horizon_s": plan.horizon_s,
        "seed": plan.seed,
        "streams": plan.streams,
        "duration_s": plan.duration_s,
        "moments": plan.moments,
        "codec_share": plan.codec_share,
        "tracks": plan.tracks,
        "later_s": plan.later_s,
        "look_back": plan.look_back,
        "turns": plan.turns,
        "questions": {kind: len(by_kind[kind]) for kind in kinds},
        "blind_majority": _with_mean({k: _majority(by_kind[k]) for k in kinds}),
        "in_clip_chance": _with_mean({k: _percent([q.chance for q in by_kind[k]]) for k in kinds}),
        "accuracy": {arm: _accuracy(counts, kinds) for arm, counts in tallies.items()},
        "interval": {arm: _edges(accuracy_interval(of)) for arm, of in tallies.items()},
    }


def tally(streams: Sequence[Sequence[Asked]], kinds: Sequence[str]) -> Tally:
    """Right and asked, [streams, kinds]."""
    right, asked = np.zeros((2, len(streams), len(kinds)))
    for row, answers in enumerate(streams):
        for answer in answers:
            at = row, kinds.index(answer.question.kind)
            right[at] += answer.right
            asked[at] += 1
    return Tally(right, asked)


def _accuracy(counts: Tally, kinds: Sequence[str]) -> dict[str, float]:
    shares = counts.right.sum(0) / counts.asked.sum(0)
    return _with_mean({k: _percent([share]) for k, share in zip(kinds, shares, strict=True)})


def _edges(interval: Interval) -> list[float | None]:
    """Percent: low and high of the mean, of a bootstrap over streams; null where one stream cannot
    tell."""
    edges = (interval.low, interval.high)
    return [None if math.isnan(edge) else _percent([edge]) for edge in edges]


def _majority(questions: Sequence[Question]) -> float:
    most = Counter(q.answer for q in questions).most_common(1)[0][1]
    return round(100 * most / len(questions), 1)


def _percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1)


def _with_mean(by_kind: dict[str, float]) -> dict[str, float]:
    """The mean over kinds first, each kind counting the same."""
    return {"mean": round(float(np.mean(list(by_kind.values()))), 1), **by_kind}


def table(result: dict[str, Any], without: Collection[str] = ()) -> str:
    """The result as a Markdown table, one line a kind; with a second mean, of the kinds that are
    not among ``without``."""
    columns = result["accuracy"] | {
        "majority": result["blind_majority"],
        "chance": result["in_clip_chance"],
    }
    lines = ["| kind | n | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for kind in ["mean", *result["questions"]]:
        count = result["questions"].get(kind, sum(result["questions"].values()))
        cells = " | ".join(f"{column[kind]:.1f}" for column in columns.values())
        lines.append(f"| {kind} | {count} | {cells} |")
    if without:
        rest = [kind for kind in result["questions"] if kind not in without]
        means = [fmean(column[kind] for kind in rest) for column in columns.values()]
        count = sum(result["questions"][kind] for kind in rest)
        cells = " | ".join(f"{mean:.1f}" for mean in means)
        lines.insert(3, f"| without {', '.join(without)} | {count} | {cells} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sieve.eval.accuracy", description=__doc__)
    parser.add_argument("--model", default="demo", help="model directory, or demo")
    parser.add_argument("--seed", type=int, required=True, help="of the first stream")
    parser.add_argument("--world", choices=tuple(WORLDS), default="first")
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds a stream")
    parser.add_argument("--moments", type=int, default=20, help="of asking, a stream")
    parser.add_argument("--questions", type=int, default=8, help="at a moment, at most")
    parser.add_argument("--tracks", choices=("both", "video", "audio"), default="both")
    parser.add_argument("--retentions", type=float, nargs="+", default=[1.0, 0.2, 0.1, 0.05])
    parser.add_argument("--random", type=float, nargs="*", default=[0.2, 0.1])
    parser.add_argument("--later", type=float, default=0.0, help="seconds on the clock already")
    parser.add_argument("--look-back", type=int, default=0, help="closed windows seen again")
    parser.add_argument("--turns", type=int, default=0, help="earlier turns read with a question")
    parser.add_argument(
        "--without", nargs="+", default=[], choices=KINDS, metavar="KIND", help="a mean leaves out"
    )
    parser.add_argument("--out", type=Path, help="JSON file")
    args = parser.parse_args(argv)
    model = load_model(args.model)
    result = {"model": args.model, **measure(model, _plan(args, horizon_s(model)))}
    if args.out:
        args.out.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result, args.without))
    return 0


def horizon_s(model: Model) -> float:
    """What the model remembers of closed windows, at most."""
    return model.layout.horizon_s


def _plan(args: argparse.Namespace, horizon_s: float) -> Plan:
    return Plan(
        args.seed,
        args.streams,
        args.duration,
        args.moments,
        args.questions,
        retentions=tuple(args.retentions),
        random_retentions=tuple(args.random),
        tracks=args.tracks,
        later_s=args.later,
        look_back=args.look_back,
        turns=args.turns,
        world=args.world,
        horizon_s=horizon_s,
    )


if __name__ == "__main__":
    sys.exit(main())
