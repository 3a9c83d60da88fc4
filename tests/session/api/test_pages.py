"""The page, the demo scene it plays, and what operators read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import av
import httpx
import pytest

from session import wire
from session.api import scenes
from session.api.scenes import Scenes, remembered_since
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from tests.session.conftest import House
from tests.session.fakes import Exchange, FakeEngine, eventually


async def test_the_page_is_served_under_a_strict_policy(house: House) -> None:
    response = await house.http.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    script = await house.http.get("/main.js")
    assert "javascript" in script.headers["content-type"]


@pytest.mark.parametrize(
    "name", ["..%2f..%2fpyproject.toml", "nothing.js", "__init__.py", "%2e%2e", "index.html%00"]
)
async def test_nothing_but_the_page_is_served(house: House, name: str) -> None:
    response = await house.http.get(f"/{name}")
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found"


async def test_the_demo_scene_is_a_film_of_the_length_asked_for(house: House) -> None:
    response = await house.http.get("/v1/demo/scene.webm?seed=5&seconds=4")
    assert response.headers["content-type"] == "video/webm"
    ranged = await house.http.get(
        "/v1/demo/scene.webm?seed=5&seconds=4", headers={"Range": "bytes=0-99"}
    )
    assert (ranged.status_code, len(ranged.content)) == (206, 100)
    directory = house.app.state.service.scenes.directory
    with av.open(str(next(directory.glob("*.webm")))) as film:
        assert film.duration is not None
        assert film.duration / av.time_base == pytest.approx(4.0, abs=0.2)
        assert {stream.type for stream in film.streams} == {"video", "audio"}


async def test_only_the_newest_scenes_are_kept(house: House) -> None:
    cache: Scenes = house.app.state.service.scenes
    for seed in range(scenes.CACHED + 2):
        await cache.video(seed, 1)
    files = sorted(path.name for path in cache.directory.iterdir())
    assert files == [f"{seed}-1.webm" for seed in range(2, scenes.CACHED + 2)]


@pytest.mark.parametrize(
    "query",
    [
        "seed=-1",
        "seed=x",
        "seed=2147483648",
        "seconds=0",
        "seconds=121",
        "seconds=nan",
        "seconds=4.0000001",
    ],
)
async def test_a_scene_that_cannot_be_is_refused_by_the_name_of_its_parameter(
    house: House, query: str
) -> None:
    for path in ("/v1/demo/scene.webm", "/v1/demo/questions"):
        response = await house.http.get(f"{path}?{query}")
        assert response.status_code == 422
        assert response.json()["error"]["param"] == query.partition("=")[0]


async def test_the_questions_of_a_scene_have_their_time_and_truth(house: House) -> None:
    response = await house.http.get("/v1/demo/questions?seed=5&seconds=20")
    found = wire.DemoQuestions.model_validate_json(response.content)
    assert (found.seed, found.seconds) == (5, 20.0)
    assert {q.asked_s for q in found.questions} <= set(range(4, 21))
    assert len({q.kind for q in found.questions}) >= 10
    assert all(q.text and q.answer and 0 <= q.chance <= 1 for q in found.questions)


async def test_a_scene_that_cannot_be_rendered_leaves_no_file(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half a film")
        raise MemoryError

    monkeypatch.setattr(scenes, "render_file", full)
    assert (await house.http.get("/v1/demo/scene.webm?seconds=4")).status_code == 500
    assert not list(house.app.state.service.scenes.directory.iterdir())


@pytest.mark.parametrize("path", ["/v1/demo/scene.webm?seconds=1", "/v1/demo/questions?seconds=1"])
async def test_pages_of_other_sites_get_no_scene(house: House, path: str) -> None:
    for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
        response = await house.http.get(path, headers={"Sec-Fetch-Site": site})
        assert response.status_code == status


@pytest.mark.parametrize(
    ("horizon_s", "since_s"), [(12.0, [0, 0, 2, 2, 4]), (4.0, [0, 8, 10, 10, 12]), (1e3, [0] * 5)]
)
def test_what_is_remembered_ends_a_horizon_before_the_open_window(
    horizon_s: float, since_s: list[float]
) -> None:
    moments = (1.0, 13.9, 14.0, 15.0, 16.0)
    assert [remembered_since(now_s, horizon_s) for now_s in moments] == since_s


def test_a_longer_memory_is_asked_about_more() -> None:
    long, short = (scenes.questions(5, 40, horizon_s).questions for horizon_s in (60.0, 4.0))
    counts = [[int(q.answer) for q in found if q.kind == "count"] for found in (long, short)]
    assert max(counts[0]) > max(counts[1])


def test_only_answers_about_the_newest_of_something_last_when_the_scene_begins_again() -> None:
    found = scenes.questions(5, 60, 12.0).questions
    assert {q.kind for q in found if q.lasting} == {"now"}
    assert {"first", "count", "order", "last_sound"} <= {q.kind for q in found if not q.lasting}


async def test_the_service_tells_that_it_lives_and_is_ready(house: House) -> None:
    assert (await house.http.get("/healthz")).json() == {"status": "ok"}
    ready = wire.Ready.model_validate_json((await house.http.get("/readyz")).content)
    assert (ready.ready, ready.sessions, ready.capacity) == (True, 0, 4)
    assert ready.horizon_s == house.app.state.service.horizon_s > 0


@pytest.mark.parametrize("path", ["/", "/main.js", "/healthz"])
async def test_what_can_be_read_has_a_head(house: House, path: str) -> None:
    assert (await house.http.head(path)).status_code == 200


async def test_metrics_count_what_happened(house: House) -> None:
    session, peer = await house.join()
    for windows in (1, 2):  # one by one: two at once may be too much for a busy machine
        await peer.play(2 * windows + 0.2)
        await eventually(partial(taken_in, house, session, windows))
    await house.ask(session, "a b")
    text = (await house.http.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["echosieve_sessions"] == "1"
    assert int(lines["process_threads"]) >= 1
    assert int(lines["echosieve_tasks"]) >= 1
    assert lines["echosieve_windows_ingested_total"] == "2"
    assert lines["echosieve_tokens_seen_total"] == "136"
    assert lines["echosieve_tokens_kept_total"] == "20"
    assert lines['echosieve_answers_total{status="completed"}'] == "1"


def taken_in(house: House, session: str, windows: int) -> bool:
    return house.manager.get(session).describe().windows == windows


async def test_an_unknown_path_is_a_404_in_our_form(house: House) -> None:
    response = await house.http.get("/v1/nothing/here")
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found"


async def test_the_selectors_of_the_model_are_listed() -> None:
    loaded = Loaded(FakeEngine(), 0.2, selectors={"cs2": "the sieve", "uniform": "evenly spaced"})
    app = create_app(ServiceConfig(), loaded, Exchange())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        listed = (await client.get("/v1/selectors")).json()
    assert listed["selectors"][1] == {"name": "uniform", "says": "evenly spaced"}
