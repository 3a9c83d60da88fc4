"""The same without `await`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from clients.sdk import SyncEchoSieve, errors
from session import wire
from tests.clients.sdk.conftest import Line
from tests.session.fakes import eventually

T = TypeVar("T")


async def blocking(line: Line, work: Callable[[SyncEchoSieve], T]) -> T:
    """Let `work` use a client in a thread of its own, as a program without a loop would."""

    def run() -> T:
        with SyncEchoSieve(line.url) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_sessions_and_questions_need_no_await(line: Line) -> None:
    id = (await line.join(4.5))[0].id

    def work(client: SyncEchoSieve) -> tuple[list[str], wire.Answer, str]:
        assert [session.id for session in client.sessions.list()] == [id]
        session = client.sessions.get(id)
        assert session.update(retention=0.5).retention == 0.5
        asking = session.ask("what now")
        deltas = list(asking)
        assert asking.answer.text == asking.text
        return deltas, session.ask("again").whole(), session.close().state

    deltas, answer, state = await blocking(line, work)
    assert deltas == ["what ", "now ", "at ", "2"]
    assert (answer.text, state) == ("again at 2", "ended")


@pytest.mark.parametrize("cancel", [True, False])
async def test_an_answer_that_is_not_whole_is_an_error_that_says_why(
    line: Line, cancel: bool
) -> None:
    id = (await line.join())[0].id

    def work(client: SyncEchoSieve) -> str:
        asking = client.sessions.get(id).ask("slowly", max_tokens=256)
        with pytest.raises(errors.EchoSieveError, match=r"not complete.*whole\(\)"):
            _ = asking.answer
        for _ in asking:
            if cancel:
                asking.cancel()
            break
        with pytest.raises(errors.Incomplete, match="was cancelled") as late:
            _ = asking.answer
        return str(late.value)

    assert "await" not in await blocking(line, work)


async def test_events_are_followed_to_the_end_of_the_session(line: Line) -> None:
    session, peer = await line.join()

    def work(client: SyncEchoSieve) -> list[str]:
        return [event.type for event in client.sessions.get(session.id).events(after=0)]

    following = asyncio.create_task(blocking(line, work))
    await peer.play(2.5)
    live = await line.house.manager.live(session.id)
    await eventually(lambda: live.progress.windows > 0)
    await session.close()
    kinds = await following
    assert kinds[0] == "session.created"
    assert "window.ingested" in kinds
    assert kinds[-1] == "session.closed"


async def test_a_loop_left_early_leaves_nothing_behind(line: Line) -> None:
    id = (await line.join())[0].id

    def work(client: SyncEchoSieve) -> None:
        session = client.sessions.get(id)
        for _ in session.ask("slowly", max_tokens=256):
            break
        for _ in session.events(after=0):
            break

    await blocking(line, work)
    assert not [thread for thread in threading.enumerate() if thread.name == "echosieve"]


async def test_errors_are_the_same(line: Line) -> None:
    with pytest.raises(errors.NotFound):
        await blocking(line, lambda client: client.sessions.get("ses_none"))


def test_a_client_that_is_closed_says_so_and_closes_twice() -> None:
    client = SyncEchoSieve()
    client.close()
    client.close()
    with pytest.raises(errors.Misused, match="closed: make another") as late:
        client.ready()
    assert isinstance(late.value, RuntimeError)


def test_closing_ends_what_still_runs(unused_tcp_port: int) -> None:
    client = SyncEchoSieve(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(errors.ServiceUnreachable):
        client.ready()
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "echosieve"]
