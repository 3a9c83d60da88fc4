"""Sessions and questions through the SDK, against a real service with a fake engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from traceback import format_exception
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest

from clients.advice import told
from clients.sdk import EchoSieve, Session, errors
from clients.sdk.client import takes_questions
from clients.sdk.session import Publication
from session import wire
from tests.clients.sdk.conftest import Line
from tests.clients.sdk.cuts import network
from tests.session.fakes import eventually


async def test_sessions_are_listed_looked_up_changed_and_closed(line: Line) -> None:
    session, _ = await line.join()
    assert [one.id for one in await line.client.sessions.list()] == [session.id]
    changed = await session.update(instruction="watch the door", retention=0.5)
    assert (changed.instruction, changed.retention) == ("watch the door", 0.5)
    assert (await session.update(slots=100)).instruction == "watch the door"
    assert session.info.memory.slots == 100
    assert (await session.update(instruction=None)).instruction is None
    assert (await session.close()).state == "ended"
    assert (await session.refresh()).state == "ended"


async def test_an_answer_comes_in_pieces_and_stands_whole_afterwards(line: Line) -> None:
    session, _ = await line.join(4.5)
    asking = session.ask("what now")
    deltas = [delta async for delta in asking]
    assert deltas == ["what ", "now ", "at ", "2"]
    assert asking.answer.text == asking.text == "what now at 2"
    assert asking.answer.id == asking.id
    assert asking.answer.status == "completed"


async def test_an_answer_can_be_awaited_as_a_whole(line: Line) -> None:
    session, _ = await line.join()
    answer = await session.ask("what now", max_tokens=2)
    assert (answer.text, answer.status) == ("what now ", "truncated")


async def test_the_answers_after_one_that_is_known_are_read(line: Line) -> None:
    session, _ = await line.join()
    asked = [await session.ask(question) for question in ("a", "b", "c")]
    assert [answer.id async for answer in session.answers()] == [answer.id for answer in asked]
    rest = [answer.question async for answer in session.answers(after=asked[0].id)]
    assert rest == ["b", "c"]
    with pytest.raises(errors.BadRequest, match="ans_none"):
        await anext(session.answers(after="ans_none"))


async def test_a_question_is_sent_once(line: Line) -> None:
    session, _ = await line.join()
    asking = session.ask("what now")
    with pytest.raises(errors.Incomplete, match=r"not complete.*whole\(\)") as early:
        _ = asking.answer
    assert isinstance(early.value, RuntimeError)
    first, second = await asking, await asking
    assert first == second
    with pytest.raises(errors.Misused, match=r"asked once.*ask\(\) again") as again:
        _ = [delta async for delta in asking]
    assert isinstance(again.value, RuntimeError)
    assert len(line.house.engine.asked) == 1


async def test_a_question_can_be_cancelled_while_it_is_answered(line: Line) -> None:
    session, _ = await line.join()
    asking = session.ask("slowly", max_tokens=256)
    async for _ in asking:
        await asking.cancel()
    assert asking.answer.status == "cancelled"
    await asking.cancel()  # of no effect


async def test_a_question_cancelled_before_it_is_sent_never_is(line: Line) -> None:
    session, _ = await line.join()
    awaited, iterated = session.ask("what now"), session.ask("what now")
    for asking in (awaited, iterated):
        await asking.cancel()
    with pytest.raises(errors.Incomplete, match="was cancelled"):
        await awaited
    assert [delta async for delta in iterated] == []
    assert not line.house.engine.asked


async def test_a_question_cancelled_while_it_waits_for_the_first_picture_is_not_asked_again(
    line: Line,
) -> None:
    session, peer = await line.join(0.0)
    asking = session.ask("what now")
    waiting = asyncio.create_task(asking.whole())
    await asyncio.sleep(0.1)
    await asking.cancel()
    await peer.play(2.5)
    with pytest.raises(errors.Incomplete, match="was cancelled"):
        await waiting
    assert not line.house.engine.asked


@pytest.mark.parametrize("end", [Session.close, Session.erase])
async def test_an_answer_whose_session_is_ended_meanwhile_says_so(
    line: Line, end: Callable[[Session], Awaitable[object]]
) -> None:
    session, _ = await line.join()
    asking = session.ask("slowly", max_tokens=256)
    deltas = aiter(asking)
    await anext(deltas)
    await end(await line.client.sessions.get(session.id))
    with pytest.raises(errors.AnswerCut, match="cut off: the session ended, or somebody") as cut:
        _ = [delta async for delta in deltas]
    assert cut.value.answer.text == asking.text == asking.answer.text != ""


async def test_an_answer_whose_client_is_closed_meanwhile_says_so(line: Line) -> None:
    session, _ = await line.join()
    client = EchoSieve(line.url)
    deltas = aiter((await client.sessions.get(session.id)).ask("slowly", max_tokens=256))
    await anext(deltas)
    await client.close()
    with pytest.raises(errors.Misused, match="this client is closed"):
        _ = [delta async for delta in deltas]


async def test_leaving_the_loop_cancels_the_question(line: Line) -> None:
    session, _ = await line.join()
    async for _ in session.ask("slowly", max_tokens=256):
        break
    await eventually(lambda: not line.house.engine.branches)


async def test_a_session_that_has_seen_nothing_is_asked_again_until_it_has(line: Line) -> None:
    session, peer = await line.join(0.0)
    asking = asyncio.create_task(session.ask("what now").whole())
    await asyncio.sleep(0.1)
    assert not asking.done()
    await peer.play(2.5)
    assert (await asking).text.startswith("what now")


async def test_a_question_the_model_cannot_answer_is_an_error_with_what_there_is(
    line: Line,
) -> None:
    session, _ = await line.join()
    with pytest.raises(errors.AnswerFailed, match="the answer failed") as failed:
        await session.ask("explode")
    assert failed.value.answer.status == "failed"


async def test_what_the_service_refuses_is_typed_and_says_what_would_be_right(line: Line) -> None:
    with pytest.raises(errors.NotFound, match=r"404 session_unknown.*sessions\.list") as unknown:
        await line.client.sessions.get("ses_none")
    assert (unknown.value.status, unknown.value.code) == (404, "session_unknown")
    session, _ = await line.join()
    with pytest.raises(errors.Invalid, match="there are cs2, uniform") as setting:
        await session.update(selector="best")
    assert setting.value.code == "setting_invalid"
    await session.close()
    with pytest.raises(errors.Conflict, match="409 session_over"):
        await session.ask("what now")


async def test_a_field_that_is_wrong_is_refused_before_anything_is_sent(line: Line) -> None:
    session, _ = await line.join()
    with pytest.raises(errors.Invalid, match="retention: must be at most 1, not 2"):
        await session.update(retention=2.0)
    with pytest.raises(errors.Invalid, match="max_tokens"):
        session.ask("what now", max_tokens=0)
    with pytest.raises(errors.Invalid, match="colour: there is no such field; there are instr"):
        await session.update(colour="red")  # type: ignore[call-arg]


async def test_a_change_of_nothing_is_refused_with_what_there_is_to_be_changed(line: Line) -> None:
    session, _ = await line.join()
    watch = await session.watches.create("a dog")
    with pytest.raises(errors.Unusable, match=r"nothing is given.*instruction, retention, selec"):
        await session.update()
    with pytest.raises(errors.Unusable, match=r"nothing is given.*within_s, threshold"):
        await session.watches.update(watch.id)
    for name in ("retention", "selector", "slots"):
        with pytest.raises(errors.Unusable, match=f"{name} cannot be None: leave it out"):
            await session.update(**{"instruction": "a", name: None})  # type: ignore[misc]
    assert (await session.refresh()).instruction is None


async def test_a_service_that_is_not_there_is_named_with_how_to_start_it() -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        with pytest.raises(errors.ServiceUnreachable, match=r":9 .*echosieve serve"):
            await client.sessions.list()


async def test_what_is_no_echosieve_is_told(line: Line) -> None:
    async with EchoSieve(f"{line.url}/page") as client:
        with pytest.raises(errors.NotFound):
            await client.sessions.list()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "",
        "nonsense",
        "ftp://here",
        "http://",
        "http://[",
        "http://a:b",
        "http://127.0.0.1:99999",
        "http://here/?x=1",
        "http://here/#y",
        "http://\n",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.Unusable, match=r"is no URL .* give http://host:port") as refused:
        EchoSieve(url)
    assert isinstance(refused.value, ValueError)
    assert repr(url) in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://me:hush@here", "http://me:hush@here:8080"])
def test_an_address_with_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(errors.Unusable) as refused:
        EchoSieve(url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://me:hush@here:8080", "https://hush@here/v1"])
def test_that_a_user_or_a_password_is_the_trouble_with_an_address_is_told(url: str) -> None:
    with pytest.raises(errors.Unusable, match=r"holds a user or a password.*and a token") as told:
        EchoSieve(url)
    assert "hush" not in str(told.value)


async def test_a_host_may_be_called_v1() -> None:
    async with EchoSieve("http://v1"):
        pass


@pytest.mark.parametrize("url", ["http://here:8080/v1", "http://here:8080/v1/"])
def test_an_address_that_leads_into_the_service_is_told_which_would_be_right(url: str) -> None:
    with pytest.raises(errors.Unusable, match=r"leave /v1 out, http://here:8080$"):
        EchoSieve(url)


async def test_a_service_without_tls_is_told_of_as_one(line: Line) -> None:
    async with EchoSieve(line.url.replace("http", "https")) as client:
        with pytest.raises(errors.ServiceUnreachable, match=f"no TLS, give {line.url}$") as missed:
            await client.ready()
    assert told(missed.value) == str(missed.value)


async def test_a_port_that_speaks_something_else_is_told_of_as_that() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, EchoSieve(url) as client:
        with pytest.raises(errors.ConnectionLost, match="is this the port of an EchoSieve"):
            await client.ready()


async def test_a_service_that_was_there_is_not_taken_for_something_else(line: Line) -> None:
    session, _ = await line.join()
    async with network(line.url) as net, EchoSieve(net.url) as client:
        asking = (await client.sessions.get(session.id)).ask("slowly", max_tokens=256)
        deltas = aiter(asking)
        await anext(deltas)
        net.cut()
        with pytest.raises(errors.ConnectionLost) as cut:
            _ = [delta async for delta in deltas]
    assert "of an EchoSieve?" not in str(cut.value)


@pytest.mark.parametrize("token", ["two words", "with its line end\n", "schlüssel"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(errors.Unusable, match="this is no token") as refused:
        EchoSieve("http://here", token)
    assert token not in str(refused.value)


def test_a_token_that_is_no_text_is_refused() -> None:
    with pytest.raises(errors.Unusable, match="this is no token"):
        EchoSieve("http://here", 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("id", ["../record", "..", ".", "", "../../healthz", "a?x=1#y"])
async def test_an_id_leads_to_no_other_place_of_the_service(line: Line, id: str) -> None:
    session, _ = await line.join()
    async with EchoSieve(line.url) as client:
        mine = await client.sessions.get(session.id)
        for call in (mine.watches.get, mine.watches.update, mine.watches.delete):
            with pytest.raises(errors.Unusable, match="is no id"):
                await call(id)
        with pytest.raises(errors.Unusable, match="is no id"):
            await client.sessions.get(id)
        with pytest.raises(errors.Unusable, match="is no id"):
            await mine.watches.delete(f"../../{session.id}")
        assert (await client.sessions.get(session.id)).info.state != "ended"


@pytest.mark.parametrize("room", ["", "..", ".", "a/b", 5])
async def test_a_room_that_is_none_is_refused_before_anything_is_sent(
    line: Line, room: str
) -> None:
    async with EchoSieve(line.url) as client:
        with pytest.raises(errors.Invalid, match="room"):
            client.publish("clip.webm", room=room)
        with pytest.raises(errors.Invalid, match="room"):
            await client.sessions.create(room)


async def test_another_server_at_the_url_is_told_in_one_line() -> None:
    page = "<!DOCTYPE HTML>\n<html>\n  File not found"
    other = httpx.MockTransport(lambda request: httpx.Response(404, text=page))
    async with EchoSieve("http://127.0.0.1:9", transport=other) as client:
        with pytest.raises(errors.NotFound, match="no EchoSieve answers there") as told:
            await client.ready()
    assert "\n" not in str(told.value)


async def test_a_service_that_hangs_does_not_keep_a_publication_from_its_end() -> None:
    transport, sender = AsyncMock(), AsyncMock()
    transport.request.side_effect = errors.ServiceTimeout("DELETE was not answered in time")
    live = Publication(transport, "clip.webm", room="room", find=AsyncMock())
    live._sender = sender
    await live.close()
    sender.close.assert_awaited_once()


HALF = "\ud800"  # of a character, as a lone surrogate of UTF-16


async def test_a_text_that_no_utf8_can_hold_is_refused_by_the_sdk(line: Line) -> None:
    session, _ = await line.join()
    answers = anext(session.answers(after=HALF))
    for call in (session.ask(HALF).whole(), session.notes.search(HALF), answers):
        with pytest.raises(errors.EchoSieveError, match="half of a character"):
            await call


@pytest.mark.parametrize("event", [None, "e1", 5])
async def test_a_picture_is_asked_for_by_an_event(line: Line, event: wire.WatchEvent) -> None:
    session, _ = await line.join()
    with pytest.raises(errors.Unusable, match="a picture is of a WatchEvent"):
        await session.watches.picture(event)


@pytest.mark.parametrize("wrong", [{"timeouts": 5}, {"backoff": "x"}])
def test_waits_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.Unusable, match=r"echosieve\.Timeouts and echosieve\.Backoff"):
        EchoSieve("http://127.0.0.1:9", **wrong)


async def test_a_task_that_is_cancelled_has_cancelled_its_question(line: Line) -> None:
    session, _ = await line.join()
    asking = session.ask("slowly", max_tokens=256)
    waiting = asyncio.create_task(asking.whole())
    await eventually(lambda: bool(asking.text))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(errors.Incomplete, match="was cancelled"):
        await asking.whole()


async def test_a_client_that_is_closed_says_so() -> None:
    client = EchoSieve("http://127.0.0.1:9")
    await client.close()
    with pytest.raises(errors.Misused, match="this client is closed"):
        await client.sessions.list()


async def _listed(client: EchoSieve) -> int:
    return len(await client.sessions.list())


def test_a_client_that_goes_from_one_event_loop_to_another_says_so() -> None:
    service = httpx.MockTransport(lambda request: httpx.Response(200, json={"sessions": []}))
    client = EchoSieve("http://127.0.0.1:9", transport=service)
    assert asyncio.run(_listed(client)) == 0
    for use in (_listed(client), client.close()):
        with pytest.raises(errors.Misused, match=r"another event loop.*SyncEchoSieve\(\)"):
            asyncio.run(use)


@pytest.mark.parametrize("media", ["", " ", 5, None, b"x"])
async def test_what_is_no_media_is_refused(media: object) -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        with pytest.raises(errors.MediaFailed, match="is no media: give a file"):
            await client.publish(media).start()  # type: ignore[arg-type]


@pytest.mark.parametrize("media", [["clip.webm", "clip.webm"], (1, 2), [], [None]])
async def test_a_list_of_what_are_no_tracks_is_refused(media: object) -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        with pytest.raises(errors.MediaFailed, match="a list is of tracks: give one video track"):
            await client.publish(media).start()  # type: ignore[arg-type]


async def test_what_went_wrong_with_media_is_told_in_one_traceback(tmp_path: Path) -> None:
    """Of what a file is not, the error says all: that of the decoder says the same again."""
    async with EchoSieve("http://127.0.0.1:9") as client:
        with pytest.raises(errors.MediaFailed, match="there is no such file") as failed:
            await client.publish(tmp_path / "clip.webm").start()
    assert "\n\nThe above exception" not in "".join(format_exception(failed.value))


async def test_what_is_not_reached_is_told_in_one_traceback() -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        with pytest.raises(errors.ServiceUnreachable) as failed:
            await client.ready()
    assert "\n\nThe above exception" not in "".join(format_exception(failed.value))


async def test_a_folder_without_media_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no film")
    async with asyncio.timeout(10.0), EchoSieve("http://127.0.0.1:9") as client:
        for folder in (tmp_path, str(tmp_path)):
            with pytest.raises(errors.MediaFailed, match="no media file in this folder"):
                await client.publish(folder).start()


def test_the_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOSIEVE_URL", "nonsense")
    with pytest.raises(errors.Unusable, match=r"^ECHOSIEVE_URL: 'nonsense' is no URL"):
        EchoSieve()
    monkeypatch.setenv("ECHOSIEVE_TOKEN", "two words")
    with pytest.raises(errors.Unusable, match=r"^ECHOSIEVE_TOKEN: this is no token"):
        EchoSieve("http://here")


async def test_what_was_not_begun_is_not_there_yet() -> None:
    async with EchoSieve("http://127.0.0.1:9") as client:
        live = client.publish("clip.webm")
        with pytest.raises(errors.Misused, match="async with") as early:
            _ = live.session
        assert isinstance(early.value, RuntimeError)
        with pytest.raises(errors.Misused, match="async with"):
            await live.finished()


async def test_a_publication_is_started_once(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = await line.join()
    sender = AsyncMock()

    async def connect(live: Publication, _: object) -> None:
        live._session, live._resource = session, f"/v1/sessions/{session.id}"

    monkeypatch.setattr("clients.media.sender_of", AsyncMock(return_value=sender))
    monkeypatch.setattr(Publication, "_connect", connect)
    async with EchoSieve(line.url) as client:
        async with client.publish("clip.webm") as live:
            with pytest.raises(errors.Misused, match="started once"):
                await live.start()
        with pytest.raises(errors.Misused, match="started once"):
            await live.start()
    sender.close.assert_awaited_once()


@pytest.mark.parametrize(("missing", "may"), [("ask", False), (None, True)])
async def test_whether_questions_are_taken_is_read_from_the_role_that_is_missing(
    missing: wire.Role | None, may: bool
) -> None:
    detail = wire.ErrorDetail(type="forbidden", message="the role of no word", missing_role=missing)
    body = wire.ErrorBody(error=detail).model_dump_json()
    transport = httpx.MockTransport(lambda _: httpx.Response(403, content=body))
    async with EchoSieve("http://here", "token", transport=transport) as client:
        assert await takes_questions(client) is may
        with pytest.raises(errors.Forbidden) as refused:
            await client.sessions.list()
    assert refused.value.missing_role == missing


async def test_the_selectors_and_the_readiness_are_told(line: Line) -> None:
    assert (await line.client.ready()).capacity == 4
    assert await line.client.selectors() == []
