"""A media file through the same path as a live stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.offline import ask_file, run
from sieve.errors import QuestionTooLong
from stream.render import render_file
from stream.source import FileSource, MediaError, SceneSource
from stream.world.scene import Scene
from tests.session.fakes import FakeEngine


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "scene.webm"
    render_file(SceneSource(Scene(1), 7.0, size=84).items(), path)
    return path


def ask(film: Path, at_s: float | None) -> tuple[FakeEngine, list[float], float]:
    """The engine after the question, the starts of its windows and the moment asked."""
    engine = FakeEngine()
    starts: list[float] = []
    ingest = engine.ingest

    def noted(row: int, window):  # type: ignore[no-untyped-def]
        starts.append(window.start_s)
        return ingest(row, window)

    engine.ingest = noted  # type: ignore[method-assign]
    answer = ask_file(FileSource(film), "what now", ServiceConfig(), Loaded(engine, 0.2), at_s=at_s)
    assert answer.text == f"what now at {len(starts)}"
    return engine, starts, answer.asked_s


def test_at_the_end_all_whole_windows_are_remembered_and_the_rest_is_seen(film: Path) -> None:
    engine, starts, asked_s = ask(film, None)
    assert starts == [0.0, 2.0, 4.0]
    assert asked_s == pytest.approx(7.0, abs=0.05)
    (_, _, window) = engine.asked[0]
    assert window is not None
    assert window.start_s == 6.0
    assert window.samples is not None
    assert len(window.samples) == pytest.approx(16_000, abs=800)


def test_at_a_moment_nothing_later_is_seen(film: Path) -> None:
    engine, starts, asked_s = ask(film, 4.7)
    assert starts == [0.0, 2.0]
    assert asked_s == 4.7
    (_, _, window) = engine.asked[0]
    assert window is not None
    assert window.grid_times_s == (4.0,)
    assert window.samples is not None
    assert len(window.samples) == pytest.approx(0.7 * 16_000, abs=1)


def test_a_moment_on_a_window_boundary_has_no_open_window(film: Path) -> None:
    engine, starts, _ = ask(film, 4.0)
    assert starts == [0.0, 2.0]
    assert engine.asked[0][2] is None


def test_the_row_is_given_back_also_when_the_question_is_refused(film: Path) -> None:
    engine, _, _ = ask(film, 3.0)
    assert not engine.open_rows
    with pytest.raises(QuestionTooLong):
        ask_file(FileSource(film), "too long", ServiceConfig(), Loaded(engine, 0.2), at_s=1.0)
    assert not engine.open_rows


def test_a_moment_after_the_end_is_refused(film: Path) -> None:
    with pytest.raises(MediaError, match=r"ends at 7\.\d s"):
        ask_file(FileSource(film), "a", ServiceConfig(), Loaded(FakeEngine(), 0.2), at_s=9.0)


def test_where_nothing_was_seen_nothing_is_answered(film: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.webm"
    cut.write_bytes(film.read_bytes()[:2000])
    loaded, config = Loaded(FakeEngine(), 0.2), ServiceConfig()
    with pytest.raises(MediaError, match="damaged"):
        run(FileSource(cut), "what now", config, loaded, at_s=None, as_json=False)
    with pytest.raises(MediaError, match=r"up to 0\.001 s nothing"):
        run(FileSource(film), "what now", config, loaded, at_s=0.001, as_json=False)


def test_the_answer_and_what_it_rests_on_are_printed(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = Loaded(FakeEngine(), 0.2)
    run(FileSource(film), "what do you see now?", ServiceConfig(), loaded, at_s=2.5, as_json=False)
    text, rests_on = capsys.readouterr().out.splitlines()
    assert text
    assert rests_on.startswith("at 2.5 s, from ")
