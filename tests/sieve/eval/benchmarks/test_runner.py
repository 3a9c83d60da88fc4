"""Whole runs with the built-in model, on small files in the published formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sieve import Model
from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.catalogue import load
from sieve.eval.benchmarks.item import Item, LeftOut
from sieve.eval.benchmarks.results import Answer, Results
from sieve.eval.benchmarks.runner import Report, ask, judge, report, run, viewings
from sieve.eval.benchmarks.settings import Settings
from tests.sieve.eval.benchmarks.films import Film
from tests.sieve.eval.benchmarks.formats import WRITE

Make = Callable[..., Settings]
GROUPS = {
    "ovobench": {"backward", "realtime", "forward"},
    "streamingbench": {"real-time", "contextual", "proactive"},
    "dailyomni": {"text after video", "text before video"},
}


def score_of(
    root: Path, model: Model, settings: Settings, films: list[Film], tmp_path: Path
) -> Report:
    WRITE[settings.benchmark](root, films)
    loading = load(settings.benchmark, root)
    results = Results(tmp_path / "answers.jsonl", asdict(settings))
    left = run(loading.items, model, settings, results, lambda _: None)
    return report(loading.items, settings, results, left, len(loading.items))


@pytest.mark.parametrize("benchmark", WRITE)
def test_a_model_that_sees_scores_high(
    benchmark: str, demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    made = score_of(
        tmp_path / "data", demo_model, settings(benchmark=benchmark), films[:1], tmp_path
    )
    assert not made.left_out
    assert all(figure >= 90.0 for figure in made.score.figures.values()), made.score
    assert made.score.all.unparsable == 0
    assert set(made.score.groups) >= GROUPS.get(benchmark, set())


def test_a_whole_clip_scores_high_too(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    chosen = settings(benchmark="videomme", mode="offline", max_frames=768, slots=None)
    made = score_of(tmp_path / "data", demo_model, chosen, films[:1], tmp_path)
    assert made.score.figures["accuracy"] >= 90.0


def test_a_blind_model_scores_about_chance(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    chosen = settings(benchmark="worldsense", tracks="none")
    made = score_of(tmp_path / "data", demo_model, chosen, films, tmp_path)
    assert made.score.all.asked == 10
    assert made.score.figures["accuracy"] <= 50.0


def test_nothing_is_seen_after_the_moment_of_a_question(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    """The same question at two moments, between which the answer changes."""
    film = films[0]
    items = [
        _item(film, f"{at_s}", "what is visible now?", moment_s=float(at_s)) for at_s in (2, 6)
    ]
    results = Results(tmp_path / "answers.jsonl", {})
    assert not run(items, demo_model, settings(), results, lambda _: None)
    early, late = (results.answers[item.id].said for item in items)
    assert early != late


def test_a_run_that_was_killed_goes_on_where_it_was(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    film = films[0]
    items = [_item(film, name, "was there any sound?") for name in ("a", "b", "c")]
    path = tmp_path / "answers.jsonl"
    kept = Results(path, {})
    kept.append(Answer("a", "purple", 2))
    with path.open("a") as file:
        file.write('{"id": "b", "said": "y')  # the kill
    told: list[int] = []
    run(items, demo_model, settings(), Results(path, {}), told.append)
    answers = Results(path, {}).answers
    assert set(answers) == {"a", "b", "c"}
    assert answers["a"].said == "purple"
    assert sum(told) == 3


def test_media_that_cannot_be_read_are_left_out_and_the_run_goes_on(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all" * 100)
    good = _item(films[0], "good", "was there any sound?")
    bad = replace(good, id="bad", where="qa.json:3", media=broken)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(films[0].path.read_bytes()[:40_000])
    short = replace(good, id="short", where="qa.json:4", media=cut)
    late = replace(good, id="late", where="qa.json:5", start_s=60.0, moment_s=70.0)
    results = Results(tmp_path / "answers.jsonl", {})
    left = run([bad, short, late, good], demo_model, settings(), results, lambda _: None)
    assert set(results.answers) == {"good"}
    assert [one.where for one in left] == ["qa.json:3", "qa.json:4", "qa.json:5"]
    assert "not a media file" in left[0].reason
    assert "damaged" in left[1].reason
    assert "ends at 8.0 s" in left[2].reason
    made = report([bad, short, late, good], settings(), results, left, 4)
    assert made.as_json()["left_out"][0] == {"where": "qa.json:3", "reason": left[0].reason}


def test_a_question_that_is_too_long_is_left_out_alone(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    endless = _item(films[0], "endless", "what? " * 100_000, moment_s=2.0)
    short = _item(films[0], "short", "was there any sound?", moment_s=4.0)
    results = Results(tmp_path / "answers.jsonl", {})
    (left,) = run([endless, short], demo_model, settings(), results, lambda _: None)
    assert "at most 8192 tokens are read" in left.reason
    assert set(results.answers) == {"short"}


def test_a_clip_that_does_not_fit_into_memory_is_left_out(
    demo_model: Model,
    settings: Make,
    films: list[Film],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sieve.eval.benchmarks.runner.offline", full)
    chosen = settings(mode="offline", max_frames=768, slots=None)
    results = Results(tmp_path / "answers.jsonl", {})
    items = [_item(films[0], "a", "now?")]
    (left,) = run(items, demo_model, chosen, results, lambda _: None)
    assert "--mode streamed" in left.reason


def test_a_model_as_it_is_published_is_asked_with_options_and_letters(
    stock_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    """Random weights say nothing that could be read: wrong, and counted as unparsable."""
    chosen = settings(selector="uniform", prompt="documented", benchmark="dailyomni", slots=1024)
    made = score_of(tmp_path / "data", stock_model, chosen, films[:1], tmp_path)
    assert not made.left_out
    assert made.score.all.asked == 6
    assert made.score.all.unparsable > 0


def test_a_run_that_could_ask_nothing_says_so(settings: Make, films: list[Film]) -> None:
    item = _item(films[0], "a", "now?")
    results = type("Empty", (), {"answers": {}})
    left = [LeftOut("qa.json:2", "there is no video")]
    with pytest.raises(BenchmarkError, match=r"none of 1 .* qa\.json:2: there is no video"):
        report([item], settings(), results, left, 1)  # type: ignore[arg-type]


def test_questions_for_a_moment_are_polled_until_the_model_speaks(
    demo_model: Model, settings: Make, films: list[Film], tmp_path: Path
) -> None:
    from stream.world.scene import Scene

    film = films[0]
    segment = next(s for s in Scene(film.seed).segments(0.0, 8.0) if 3.0 < s.start_s < 6.5)
    item = replace(
        _item(film, "when", f"was there a {segment.things[0].name}?", moment_s=1.0),
        kind="moment",
        truth=round(segment.start_s),
    )
    results = Results(tmp_path / "answers.jsonl", {})
    assert not run([item], demo_model, settings(), results, lambda _: None)
    answer = results.answers["when"]
    assert answer.read is not None
    assert judge(item, answer).right
    assert not judge(item, replace(answer, read=answer.read + 5)).right
    assert not judge(item, replace(answer, read=None)).right


class _Says:
    """A model that says one thing after another."""

    def __init__(self, *said: str) -> None:
        self._said = iter(said)

    def answer(self, question: str, moment_s: float | None, max_tokens: int) -> str:
        return next(self._said)


@pytest.mark.parametrize(
    ("said", "readable"), [(("no",) * 7, True), (("no", "well", *("no",) * 5), False)]
)
def test_a_moment_for_which_something_unreadable_was_said_is_counted_as_such(
    settings: Make, films: list[Film], said: tuple[str, ...], readable: bool
) -> None:
    item = replace(_item(films[0], "when", "now?", moment_s=1.0), kind="moment", truth=3)
    answer = ask(item, _Says(*said), settings())  # type: ignore[arg-type]
    judged = judge(item, answer)
    assert (judged.right, judged.readable) == (False, readable)


def test_questions_about_the_same_media_are_asked_in_one_viewing_by_moment(
    films: list[Film],
) -> None:
    late = _item(films[0], "late", "a", moment_s=6.0)
    other = _item(films[1], "other", "a")
    early = _item(films[0], "early", "a", moment_s=2.0)
    told = replace(_item(films[0], "told", "a"), told_before=True)
    found = viewings([late, other, early, told])
    assert [[item.id for item in viewing] for viewing in found] == [
        ["early", "late"],
        ["other"],
        ["told"],
    ]


def _item(film: Film, name: str, question: str, moment_s: float | None = None) -> Item:
    return Item(
        id=name,
        where="qa.json:1",
        form="worldsense",
        kind="choice",
        media=film.path,
        question=question,
        truth=0,
        task="t",
        group="g",
        options=("yes", "no"),
        moment_s=moment_s,
    )
