"""Sources that fail, over real WebRTC: they come back by themselves, and the others go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from clients.media import shown
from clients.monitor.bench.mosquitto import free_port
from clients.monitor.config import MonitorConfig
from clients.monitor.record import Record
from clients.monitor.run import Monitor
from clients.mqtt.mapping import Story
from clients.mqtt.places import Places
from clients.sdk import EchoSieve
from clients.sdk.errors import MediaFailed, Unauthorized
from session import wire
from session.app import Loaded, create_app
from session.config import ServiceConfig
from session.server import serving
from tests.clients.mqtt.mosquitto import Receiver, mosquitto, payload, receiving
from tests.clients.sdk.conftest import QUICK
from tests.clients.sdk.cuts import network
from tests.session.fakes import FakeEngine
from tests.session.journal.killable import serve_rtc, service
from tests.stream.addresses import ENCODING, ffmpeg, folder_on_http
from tests.stream.media import FlashAndBeep
from tests.stream.rtsp import rtsp_server

PATIENCE_S = 120.0
ALWAYS = "is it there since 0"


@asynccontextmanager
async def here(key: bytes | None = None) -> AsyncIterator[str]:
    """A service of this process."""
    config = ServiceConfig(rows=4, key=key)
    async with serving(create_app(config, Loaded(FakeEngine(rows=4), 0.2, "cs2"))) as url:
        yield url


@asynccontextmanager
async def running(monitor: Monitor) -> AsyncIterator[asyncio.Task[Path]]:
    task = asyncio.create_task(monitor.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(is_so: Callable[[], object], task: asyncio.Task[Path]) -> None:
    """Let the monitor work until it is so. Raises what it ends by."""
    while not is_so():
        if task.done():
            task.result()
        await asyncio.sleep(0.02)


def film(path: Path, seconds: int) -> Path:
    """A moving picture and a tone."""
    shown = ("-f", "lavfi", "-i", f"testsrc=size=96x96:rate=10:duration={seconds}")
    heard = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}")
    ffmpeg(*shown, *heard, *ENCODING, "-f", "mpegts", str(path))
    return path


def config_of(folder: Path, *sources: dict[str, str], **more: object) -> MonitorConfig:
    tables = {"folder": folder / "monitor", "source": list(sources), "watch": [{"query": ALWAYS}]}
    return MonitorConfig.model_validate({**tables, **more})


def lost(report: str) -> list[str]:
    """The sources that were not watched for a time."""
    return re.findall(r"^\| (\w+) \| \d{4}-\d\d-\d\d ", report, re.MULTILINE)


def alerts(monitor: Monitor, name: str) -> list[str]:
    """What has been told of the events of a source, as it stood last."""
    entries = [entry for entry in monitor._record.entries() if entry.source == name]
    return [entry.event.change for entry in entries if isinstance(entry.event, wire.WatchEvent)]


async def test_a_file_is_watched_to_its_end_which_ends_the_monitor(tmp_path: Path) -> None:
    address = str(film(tmp_path / "film.ts", 5))
    config = config_of(tmp_path, {"kind": "media", "name": "film", "address": address})
    async with (
        here() as url,
        running(Monitor(config, client=EchoSieve(url), backoff=QUICK)) as task,
    ):
        text = (await task).read_text()
    assert "1 event, 0 notes" in text
    assert f"| {ALWAYS} |" in text
    assert "still there" not in text


async def test_a_monitor_that_is_killed_goes_on_in_the_session_it_had(tmp_path: Path) -> None:
    address = str(film(tmp_path / "film.ts", 5))
    config = config_of(tmp_path, {"kind": "media", "name": "film", "address": address})
    async with here() as url:
        async with EchoSieve(url) as client:
            session = await client.sessions.create("film")
        (tmp_path / "monitor").mkdir()
        places = Places(tmp_path / "monitor" / "places.db")
        places.note(1, Story(name="film", session=session.id))
        places.close()
        async with running(Monitor(config, client=EchoSieve(url))) as task:
            text = (await task).read_text()
    assert session.id.replace("_", r"\_") in text


ROOM = {"kind": "room", "name": "door"}


def torn(folder: Path, seconds: int) -> tuple[Path, bytes]:
    """A film of which the second half is missing, and the whole of it."""
    path = folder / "film.mkv"
    ffmpeg("-i", str(film(folder / "film.ts", seconds)), "-c", "copy", str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path, whole


def unreadable(folder: Path) -> Path:
    """A film that looks whole from outside, and in which nothing can be decoded."""
    path, whole = torn(folder, 2)
    head = whole.index(b"\x1f\x43\xb6\x75") + 12  # into the first cluster (Matroska)
    path.write_bytes(whole[:head] + bytes(len(whole) - head))
    return path


async def test_a_file_that_breaks_off_goes_on_when_it_has_been_completed(tmp_path: Path) -> None:
    path, whole = torn(tmp_path, 10)
    config = config_of(tmp_path, {"kind": "media", "name": "film", "address": str(path)}, ROOM)
    async with here() as url:
        monitor = Monitor(config, client=EchoSieve(url), backoff=QUICK)
        async with running(monitor) as task:
            await until(monitor._record.gaps, task)
            (gap,) = monitor._record.gaps()
            assert (gap.source, gap.to_at) == ("film", None)
            assert re.search(r"film\.mkv: damaged or cut: \d\.\d s of its 10\.\d s", gap.reason)
            await asyncio.sleep(1.0)  # of many attempts
            assert monitor._record.gaps() == [gap]
            path.write_bytes(whole)
            await until(lambda: alerts(monitor, "film")[-1:] == ["end"] and met(monitor), task)
        async with EchoSieve(url) as client:
            assert len(await client.sessions.list("ended")) == 1
    text = monitor.report.read_text()
    assert lost(text) == ["film"]
    assert "still down" not in text


def watched_s(folder: Path) -> float:
    """How much a monitor has watched in all, once it has ended."""
    record = Record(folder / "monitor" / "record.db")
    try:
        return sum(stretch.to_s - stretch.from_s for stretch in record.stretches())
    finally:
        record.close()


async def test_a_film_on_a_web_server_that_was_cut_goes_on_there_when_it_is_whole(
    tmp_path: Path,
) -> None:
    path, whole = torn(tmp_path, 16)
    with folder_on_http(tmp_path, ranges=True) as web:
        address = f"{web}/{path.name}".replace("://", "://me:hush@")
        config = config_of(tmp_path, {"kind": "media", "name": "film", "address": address}, ROOM)
        async with here() as url:
            monitor = Monitor(config, client=EchoSieve(url), backoff=QUICK)
            reached = partial(monitor._reached.seconds, "film", shown(address))
            async with running(monitor) as task:
                await until(lambda: monitor._record.gaps(), task)
                await until(lambda: reached() >= 6.0, task)
                await asyncio.sleep(1.0)  # of many attempts
                path.write_bytes(whole)
                await until(lambda: reached() == 0.0, task)  # forgotten: it has come to its end
    assert 12.0 <= watched_s(tmp_path) <= 22.0  # of 16; from its beginning again 24 and more
    text = monitor.report.read_text()
    assert "damaged or cut" in text
    assert "hush" not in text
    assert b"hush" not in (tmp_path / "monitor" / "reached.db").read_bytes()


async def test_a_film_on_a_web_server_that_stays_cut_ends_the_monitor(tmp_path: Path) -> None:
    path, _ = torn(tmp_path, 10)
    with folder_on_http(tmp_path) as web:
        source = {"kind": "media", "name": "film", "address": f"{web}/{path.name}"}
        async with here() as url:
            monitor = Monitor(config_of(tmp_path, source), client=EchoSieve(url), backoff=QUICK)
            async with running(monitor) as task:
                text = (await task).read_text()
    assert 2.0 <= watched_s(tmp_path) <= 8.0  # of 5; again and again it would be many more
    assert re.search(r"\| film \|.*\| still down \|.*damaged or cut", text)


def met(monitor: Monitor) -> bool:
    """Whether a gap is over."""
    return any(gap.to_at is not None for gap in monitor._record.gaps())


async def test_a_file_that_breaks_off_ends_the_monitor_when_nothing_else_may_come(
    tmp_path: Path,
) -> None:
    path, _ = torn(tmp_path, 10)
    other = {"kind": "media", "name": "other", "address": str(film(tmp_path / "other.ts", 5))}
    config = config_of(tmp_path, {"kind": "media", "name": "film", "address": str(path)}, other)
    async with (
        here() as url,
        running(Monitor(config, client=EchoSieve(url), backoff=QUICK)) as task,
    ):
        text = (await task).read_text()
    assert re.search(r"\| film \|.*\| still down \|.*damaged or cut", text)
    assert text.count(f"| {ALWAYS} |") == 2


async def test_a_file_of_which_nothing_can_be_read_is_told_when_the_others_have_ended(
    tmp_path: Path,
) -> None:
    one = {"kind": "media", "name": "one", "address": str(unreadable(tmp_path))}
    two = {"kind": "media", "name": "two", "address": str(film(tmp_path / "two.ts", 5))}
    async with here() as url:
        monitor = Monitor(config_of(tmp_path, one, two), client=EchoSieve(url), backoff=QUICK)
        async with running(monitor) as task:
            with pytest.raises(MediaFailed, match=r"^one: .*can be decoded.*; the report is"):
                await task
    text = monitor.report.read_text()
    assert "## two" in text
    assert re.search(r"\| one \|.*\| still down \|.*can be decoded", text)


async def test_a_source_that_fails_is_tried_again_while_the_others_go_on(tmp_path: Path) -> None:
    clip, port = film(tmp_path / "film.ts", 5), free_port()
    camera = {"kind": "media", "name": "yard", "address": f"rtsp://me:hush@127.0.0.1:{port}/clip"}
    other = {"kind": "media", "name": "film", "address": str(clip)}
    async with here() as url:
        monitor = Monitor(config_of(tmp_path, camera, other), client=EchoSieve(url), backoff=QUICK)
        async with running(monitor) as task:
            await until(lambda: alerts(monitor, "film") == ["end"], task)
            (gap,) = monitor._record.gaps()
            assert (gap.source, gap.to_at) == ("yard", None)
            assert "cannot be opened" in gap.reason
            async with rtsp_server(clip, port):
                await until(lambda: alerts(monitor, "yard"), task)
    text = monitor.report.read_text()
    assert "2 events, 0 notes, " in text
    assert lost(text) == ["yard"]
    assert "still down" not in text
    assert "hush" not in text


async def test_a_camera_that_falls_silent_is_a_gap_and_goes_on_in_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.media.SILENT_S", 8.0)
    clip, port = film(tmp_path / "film.ts", 5), free_port()
    camera = {"kind": "media", "name": "yard", "address": f"rtsp://127.0.0.1:{port}/clip"}
    async with here() as url:
        monitor = Monitor(config_of(tmp_path, camera), client=EchoSieve(url), backoff=QUICK)
        async with AsyncExitStack() as stack:
            async with rtsp_server(clip, port):
                task = await stack.enter_async_context(running(monitor))
                await until(lambda: alerts(monitor, "yard") == ["new"], task)
            await until(lambda: monitor._record.gaps(), task)
            async with rtsp_server(clip, port):
                await until(lambda: len(alerts(monitor, "yard")) == 2, task)
                (gap,) = monitor._record.gaps()
                first, second = monitor._record.stretches()
                await stack.aclose()
    assert first.to_s <= second.from_s
    assert "nothing came for 8 s" in gap.reason
    assert (gap.clock_s or 0) >= 2.0
    text = monitor.report.read_text()
    assert text.count("## yard") == 1  # one session
    assert "2 events, 0 notes, " in text
    assert lost(text) == ["yard"]
    assert "| no picture |" in text  # before it was taken for lost


async def test_a_service_that_is_killed_finds_its_source_again_and_nothing_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 1)  # how soon a sender misses the service
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 2)
    journal, address = str(tmp_path / "journal.db"), str(film(tmp_path / "film.ts", 60))
    with mosquitto(tmp_path) as broker:
        await broker.listening()
        config = config_of(
            tmp_path,
            {"kind": "media", "name": "film", "address": address, "instruction": "watch"},
            notes={"every_s": 600.0},
            mqtt={"host": "127.0.0.1", "port": broker.port, "prefix": "es"},
        )
        async with (
            receiving(broker.port) as receiver,
            network("http://127.0.0.1:9") as net,
            AsyncExitStack() as stack,
        ):
            monitor = Monitor(config, client=EchoSieve(net.url, backoff=QUICK), backoff=QUICK)
            with service(journal, serve_rtc) as net.target:
                task = await stack.enter_async_context(running(monitor))
                await until(lambda: len(receiver.on("es/alerts")) == 1, task)
            with service(journal, serve_rtc) as net.target:
                await until(lambda: len(receiver.on("es/alerts")) == 3, task)
                async with EchoSieve(net.url) as client:
                    (session,) = await client.sessions.list()
                    assert [watch.query for watch in await session.watches.list()] == [ALWAYS]
                    assert session.info.instruction == "watch"
                await stack.aclose()
                await receiver.until(lambda: texts(receiver, "es/available")[-1] == "offline")
    assert [f"{one['type']} of {one['session']}" for one in receiver.json("es/alerts")] == [
        f"{change} of {session.id}" for change in ("new", "end", "new", "end")
    ]
    assert len({one["key"] for one in receiver.json("es/alerts")}) == 4
    assert [one["status"] for one in receiver.json("es/film/source")] == ["up", "down", "up"]
    assert lost(monitor.report.read_text()) == ["film"]


async def test_a_file_that_was_cut_is_watched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 1)
    monkeypatch.setattr("aioice.ice.CONSENT_FAILURES", 2)
    journal, address = str(tmp_path / "journal.db"), str(film(tmp_path / "film.ts", 12))
    config = config_of(tmp_path, {"kind": "media", "name": "film", "address": address})
    async with network("http://127.0.0.1:9") as net, AsyncExitStack() as stack:
        monitor = Monitor(config, client=EchoSieve(net.url, backoff=QUICK), backoff=QUICK)
        with service(journal, serve_rtc) as net.target:
            task = await stack.enter_async_context(running(monitor))
            await until(lambda: monitor._clocks.get("film", ("", 0.0))[1] >= 6.0, task)
        with service(journal, serve_rtc) as net.target:
            await task
            async with EchoSieve(net.url) as client:
                (session,) = await client.sessions.list(state="ended")
                number = 0
                windows = 0
                for _ in range(2):  # until it was killed, and until the file ended
                    stream = session.events(after=number)
                    windows += sum([isinstance(e, wire.WindowIngested) async for e in stream])
                    number = stream.last_id or 0
    assert 5 <= windows <= 7  # of 2 s; from its beginning again it would be 9 and more


def texts(receiver: Receiver, topic: str) -> list[str]:
    return [payload(message).decode() for message in receiver.on(topic)]


async def test_a_room_goes_on_when_the_service_is_back(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"kind": "room", "name": "door"})
    async with network("http://127.0.0.1:9") as net:
        monitor = Monitor(config, client=EchoSieve(net.url, backoff=QUICK), backoff=QUICK)
        async with running(monitor) as task:
            await until(lambda: monitor._record.gaps(), task)
            async with here() as net.target:
                sender = EchoSieve(net.target)
                async with sender, sender.publish(FlashAndBeep(600.0), "door"):
                    await until(lambda: alerts(monitor, "door"), task)
                (gap,) = monitor._record.gaps()
    assert (gap.source, gap.to_at is None) == ("door", False)


async def test_a_token_that_the_service_does_not_take_ends_the_monitor(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"kind": "room", "name": "door"})
    async with here(key=b"k" * 32) as url:
        with pytest.raises(Unauthorized, match="token"):
            await Monitor(config, client=EchoSieve(url, "none")).run()
