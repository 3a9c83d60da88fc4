"""Streams of all shapes through the service and a real engine, without WebRTC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from session import wire
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.roster.manager import Manager
from sieve import Engine, EngineConfig, Model
from stream.window import Frame, Sound
from tests.session.fakes import FakePeer, eventually


class Part(FakePeer):
    """A connection with one of the two tracks, or both."""

    def __init__(self, video: bool, audio: bool) -> None:
        super().__init__()
        self.has_video, self.has_audio = video, audio

    async def __aiter__(self) -> AsyncIterator[Frame | Sound]:
        async for item in super().__aiter__():
            if self.has_video if isinstance(item, Frame) else self.has_audio:
                yield item


@dataclass
class Stage:
    """A session of a service around a real engine, and its client."""

    peer: Part
    manager: Manager
    client: httpx.AsyncClient
    path: str

    async def ask(self) -> wire.Answer:
        request = {"question": "what?", "max_tokens": 4}
        response = await self.client.post(f"{self.path}/ask", json=request)
        assert response.status_code == 200, response.text
        return wire.Answer.model_validate_json(response.content)

    async def session(self) -> wire.Session:
        return wire.Session.model_validate_json((await self.client.get(self.path)).content)

    async def play(self, end_s: float) -> None:
        """Play, and wait for the windows that have closed by then."""
        await self.peer.play(end_s)
        self.peer.clock_s += 0.31  # the lateness after which a window closes by the clock
        session = self.manager.all()[0]
        closed = int(end_s // 2)
        await eventually(lambda: session.progress.windows + session.progress.skipped >= closed)


@pytest.fixture(params=["both", "video", "audio"])
async def stage(request: pytest.FixtureRequest, stream_model: Model) -> AsyncIterator[Stage]:
    peer = Part(video=request.param != "audio", audio=request.param != "video")

    async def connect(_: str) -> tuple[Part, str]:
        return peer, "v=0"

    engine = Engine(stream_model, EngineConfig(rows=1))
    app = create_app(ServiceConfig(rows=1), Loaded(engine, stream_model.retention), connect)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        headers = {"Content-Type": "application/sdp"}
        response = await client.post("/whip/room", content="v=0", headers=headers)
        path = f"/v1/sessions/{response.headers['X-EchoSieve-Session']}"
        yield Stage(peer, app.state.service.manager, client, path)


async def test_a_question_before_anything_came_is_told_so(stage: Stage) -> None:
    refused = await stage.client.post(f"{stage.path}/ask", json={"question": "what?"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    error = wire.ErrorBody.model_validate_json(refused.content).error
    assert error.type == "nothing_seen"
    first = "picture" if stage.peer.has_video else "sound"
    assert error.message == f"nothing has been seen yet: the first {first} has not come"
    await stage.peer.play(0.1)
    assert (await stage.ask()).output_tokens > 0


async def test_a_question_in_the_first_window_sees_what_there_is(stage: Stage) -> None:
    await stage.peer.play(1.2)
    answer = await stage.ask()
    (span,) = answer.spans
    assert (span.start_s, span.end_s) == (0.0, pytest.approx(1.2))
    seen = (answer.seen.video > 0, answer.seen.audio > 0)
    assert seen == (stage.peer.has_video, stage.peer.has_audio)
    assert answer.newest_frame_s == (1.0 if stage.peer.has_video else None)


async def test_questions_go_on_while_the_stream_does(stage: Stage) -> None:
    for end_s in (2.5, 5.0, 7.5):
        await stage.play(end_s)
        answer = await stage.ask()
        assert answer.spans[-1].end_s == pytest.approx(stage.peer.clock_s, abs=0.5)
    session = await stage.session()
    assert (session.windows, session.skipped) == (3, 0)
    assert (session.has_video, session.has_audio) == (stage.peer.has_video, stage.peer.has_audio)


async def test_a_day_later_the_memory_is_as_large_and_questions_are_answered(stage: Stage) -> None:
    await stage.play(4.5)
    young = (await stage.session()).memory
    stage.peer.clock_s = 86_400.0
    session = stage.manager.all()[0]
    before = session.progress.windows
    await stage.peer.play(86_404.5)
    await eventually(lambda: session.progress.windows >= before + 2)
    answer = await stage.ask()
    assert answer.spans[-1].start_s >= 86_400.0 - 12
    old = (await stage.session()).memory
    assert old.bytes == young.bytes
    assert old.used <= old.slots


async def test_settings_change_in_the_running_engine(stage: Stage) -> None:
    await stage.play(2.5)
    patch = {
        "retention": 0.05,
        "selector": "refined-random",
        "instruction": "count the sounds",
        "slots": 300,
    }
    response = await stage.client.patch(stage.path, json=patch)
    changed = wire.Session.model_validate_json(response.content)
    assert (changed.retention, changed.memory.slots) == (0.05, 300)
    await stage.play(4.5)
    assert (await stage.ask()).retention == 0.05
    too_many = await stage.client.patch(stage.path, json={"slots": 10_000})
    assert too_many.status_code == 422
