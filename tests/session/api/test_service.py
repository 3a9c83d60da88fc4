"""The whole way, with nothing faked: WebRTC in, a real engine, answers out; on both event loops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
import uvloop

from session import wire
from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.server import serving
from sieve import Engine, EngineConfig, Model
from stream.publish import Publication, PublishError, publish
from stream.source import SceneSource
from stream.world.scene import Scene

Runner = Callable[[], asyncio.Runner]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a coroutine on one of the two loops and looks for tasks that are left."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def run_and_look(scenario: Callable[[], object]) -> None:
        async def looked_at() -> None:
            await scenario()  # type: ignore[misc]
            assert asyncio.all_tasks() == {asyncio.current_task()}

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(looked_at())

    return run_and_look


@pytest.fixture
def loaded(stream_model: Model) -> Loaded:
    return Loaded(Engine(stream_model, EngineConfig(rows=2)), stream_model.retention)


async def hear(publication: Publication, kind: str) -> wire.ServerMessage:
    async for text in publication.channel:
        message = wire.SERVER_MESSAGE.validate_json(text)
        if message.type == kind:
            return message
    raise AssertionError(f"the channel closed before {kind}")


async def asked_over_http(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(f"{path}/ask", json={"question": "what?", "max_tokens": 5})
    answer = wire.Answer.model_validate_json(response.content)
    assert 0 < answer.output_tokens <= 5  # untrained weights may end it sooner
    assert answer.newest_frame_s is not None
    assert answer.asked_s - answer.newest_frame_s < 2.0
    assert 0 < answer.kept.video + answer.kept.audio < answer.seen.video + answer.seen.audio


async def asked_on_the_channel(publication: Publication) -> None:
    content = [{"type": "input_text", "text": "what?"}]
    asked = {"type": "message", "role": "user", "content": content}
    response = {"max_output_tokens": 3, "input": [asked]}
    await publication.channel.send(json.dumps({"type": "response.create", "response": response}))
    done = await hear(publication, "response.done")
    assert isinstance(done, wire.ResponseDone)
    assert done.response.x is not None
    assert 0 < done.response.x.output_tokens <= 3


def test_a_stream_over_webrtc_is_answered_over_http_and_the_channel(
    run: Callable[..., None], loaded: Loaded
) -> None:
    async def scenario() -> None:
        app = create_app(ServiceConfig(rows=2), loaded)
        source = SceneSource(Scene(3), 8.0, fps=5, size=84)
        async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            publication = await publish(source, f"{url}/whip/room", with_channel=True)
            created = await hear(publication, "session.created")
            assert isinstance(created, wire.RealtimeSessionCreated)
            window = await hear(publication, "x.window.ingested")
            assert isinstance(window, wire.SieveWindow)
            assert window.window.kept.seen.audio == 50
            path = f"/v1/sessions/{created.session.id}"
            await asked_over_http(client, path)
            await asked_on_the_channel(publication)
            await publication.close()
            ended = wire.Session.model_validate_json((await client.get(path)).content)
            assert ended.state == "ended"

    run(scenario)


def test_the_answers_stop_when_the_service_does(run: Callable[..., None], loaded: Loaded) -> None:
    async def scenario() -> None:
        app = create_app(ServiceConfig(rows=2), loaded)
        source = SceneSource(Scene(3), 30.0, fps=5, size=84)
        async with serving(app) as url:
            publication = await publish(source, f"{url}/whip/room", with_channel=True)
            await hear(publication, "session.created")
        with pytest.raises(PublishError):  # nobody is there to be told of the end
            await publication.close()

    run(scenario)
