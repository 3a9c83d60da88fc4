"""A whole monitor on a real service around a fake engine."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from clients.media import Delivered
from clients.monitor.bot import packed
from clients.monitor.config import BotsTable, MonitorConfig
from clients.monitor.run import Monitor
from clients.monitor.sources import Bots
from clients.monitor.streams import Streams
from clients.mqtt.mapping import Story
from clients.mqtt.places import Places
from clients.mqtt.wanted import set_watches
from clients.sdk import EchoSieve, Session
from clients.sdk.errors import EchoSieveError, Forbidden, NotFound
from session import wire
from session.auth import Gate, new_token
from session.wire import NOTHING_CAME
from stream.window import Sound
from tests.clients.monitor.happened import skipped, window
from tests.clients.mqtt.mosquitto import mosquitto, receiving
from tests.clients.mqtt.recorded import info
from tests.clients.sdk.conftest import QUICK, Line, served
from tests.session.api.test_watches import SEEN_FROM_4_TO_8, shown
from tests.session.fakes import FakePeer, eventually

KEY = b"k" * 32


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as line:
        yield line
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_whoever_comes_to_a_room_is_watched_and_reported(
    line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = MonitorConfig.model_validate(
        {
            "folder": tmp_path,
            "source": [{"kind": "room", "name": "door", "room": "room"}],
            "watch": [
                {"query": SEEN_FROM_4_TO_8},
                {"query": "windows", "kind": "count"},
                {"query": "is somebody sad?"},
            ],
        }
    )
    monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
    running = asyncio.create_task(monitor.run())
    session, peer = await line.join()
    live = await line.house.manager.live(session.id)
    await eventually(lambda: len(live.attendant.watches.all()) == 3)
    await shown(line.house, session.id, peer, 14.0)
    await session.close()
    await eventually(lambda: not monitor._places.unfinished() and ended(monitor))
    running.cancel()
    await asyncio.wait({running})
    text = monitor.report.read_text()
    assert f"## door ({session.id.replace('_', chr(92) + '_')})" in text
    assert f"| 0:00:04 | 0:00:08 | {SEEN_FROM_4_TO_8} |" in text
    assert "| 0:00:06 | windows | 3 | 2 |" in text
    assert "- is somebody sad? (asked as: is somebody sad?)" in text
    assert "door: the model cannot judge 'is somebody sad?'" in caplog.text


def ended(monitor: Monitor) -> bool:
    return any(getattr(one.event, "change", "") == "end" for one in monitor._record.entries())


async def played(line: Line, session: Session, peer: FakePeer, end_s: float) -> None:
    """Up to there window by window, and a little more: then a window closes without a picture."""
    live = await line.house.manager.live(session.id)

    def taken_in(windows: int) -> bool:
        return live.progress.windows >= windows

    for count in range(1 + int(peer.clock_s // 2), 1 + int(end_s // 2)):
        await peer.play(2.0 * count + 0.5)
        await eventually(partial(taken_in, count))


async def test_record_and_webhooks_do_not_wait_for_a_broker_that_is_away(
    line: Line, tmp_path: Path, unused_tcp_port: int
) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "secret").write_text("a secret of thirty-two characters")
    with mosquitto(tmp_path / "broker") as broker:
        await broker.listening()
        config = MonitorConfig.model_validate(
            {
                "folder": tmp_path,
                "source": [{"kind": "room", "name": "door", "room": "room"}],
                "watch": [{"query": SEEN_FROM_4_TO_8}],
                "mqtt": {"host": "127.0.0.1", "port": broker.port, "prefix": "es"},
                "webhook": [
                    {
                        "url": f"http://127.0.0.1:{unused_tcp_port}/",
                        "secret_file": tmp_path / "secret",
                    }
                ],
            }
        )
        monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
        running = asyncio.create_task(monitor.run())
        session, peer = await line.join()
        live = await line.house.manager.live(session.id)
        await eventually(lambda: len(live.attendant.watches.all()) == 1)
        broker.kill()
        await shown(line.house, session.id, peer, 14.0)
        await eventually(lambda: ended(monitor))
        report = monitor._outbox.first(config.webhook[0].url)
        assert report is not None
        await session.close()
        other, _ = await line.join()
        next_one = await line.house.manager.live(other.id)
        await eventually(lambda: len(next_one.attendant.watches.all()) == 1)
        broker.start()
        async with receiving(broker.port) as receiver:
            await receiver.until(lambda: len(receiver.on("es/alerts")) == 2)
            await receiver.until(lambda: not monitor._late)
        running.cancel()
        await asyncio.wait({running})


async def test_a_camera_that_goes_dark_is_a_gap_in_the_report_though_nothing_happened(
    line: Line, tmp_path: Path
) -> None:
    config = MonitorConfig.model_validate(
        {"folder": tmp_path, "source": [{"kind": "room", "name": "door", "room": "room"}]}
    )
    monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
    running = asyncio.create_task(monitor.run())
    session, peer = await line.join()
    await played(line, session, peer, 4.0)
    peer.is_dark = True
    await played(line, session, peer, 12.0)
    peer.is_dark = False
    await played(line, session, peer, 14.0)
    await session.close()
    await eventually(lambda: monitor._clocks.get("door") == (session.id, 14.0))
    running.cancel()
    await asyncio.wait({running})
    text = monitor.report.read_text()
    assert "0 events, 0 notes, 1 gap." in text
    assert f"| door | {session.id.replace('_', chr(92) + '_')} | 0:00:05 | 0:00:12 | no" in text
    assert "Watched from 0:00:00 to 0:00:14." in text
    assert (tmp_path / "timeline.png").exists()


async def test_what_an_earlier_run_left_is_not_forgotten_while_the_service_is_away(
    tmp_path: Path,
) -> None:
    config = MonitorConfig.model_validate(
        {"folder": tmp_path, "source": [{"kind": "room", "name": "door"}]}
    )
    places = Places(tmp_path / "places.db")
    places.note(7, Story(name="door", session="ses_1"))
    monitor = Monitor(config, client=EchoSieve("http://127.0.0.1:9"), backoff=QUICK)
    running = asyncio.create_task(monitor.run())
    await eventually(lambda: bool(monitor._record.gaps()))
    running.cancel()
    await asyncio.wait({running})
    assert [place.number for place in places.unfinished()] == [7]
    places.close()


async def test_a_film_goes_on_where_it_was_cut_though_the_service_took_in_empty_windows_after_it(
    tmp_path: Path,
) -> None:
    source = {"kind": "media", "name": "yard", "address": "http://host/film.ts"}
    config = MonitorConfig.model_validate({"folder": tmp_path, "source": [source]})
    monitor = Monitor(config, client=EchoSieve("http://127.0.0.1:9"), backoff=QUICK)
    story = Story(name="yard", session="ses_1")
    monitor._reached.seconds("yard", "film.ts")
    monitor._window(story, window(0.0))
    monitor._window(story, window(2.0, ("video", 3.0, 4.0), ("audio", 3.0, 4.0)))
    monitor._window(story, window(4.0, ("video", 4.0, 6.0), ("audio", 4.0, 6.0)))
    monitor._window(story, skipped(6.0, NOTHING_CAME))
    assert monitor._reached.seconds("yard", "film.ts") == 3.0
    await monitor._client.close()


async def test_what_was_set_since_stays_in_its_session_until_the_configuration_is_another(
    line: Line, tmp_path: Path
) -> None:
    session, _ = await line.join()
    wanted = [wire.WatchCreate(query="is it there since 0")]

    async def prepared(instruction: str) -> tuple[list[str], str | None]:
        """By a monitor that has just started: what then stands."""
        source = {"kind": "room", "name": "door", "instruction": instruction}
        config = MonitorConfig.model_validate(
            {"folder": tmp_path, "source": [source], "watch": [{"query": "is it red"}]}
        )
        monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
        await monitor.prepare("door", session)
        monitor._record.close()
        await monitor._client.close()
        info = await session.refresh()
        return [watch.query for watch in await session.watches.list()], info.instruction

    assert await prepared("look") == (["is it red"], "look")
    await set_watches(session, wanted)
    await session.update(instruction="listen")
    assert await prepared("look") == (["is it there since 0"], "listen")
    assert await prepared("look well") == (["is it red"], "look well")


async def test_what_is_taken_out_of_the_configuration_is_taken_out_of_its_session(
    line: Line, tmp_path: Path
) -> None:
    session, _ = await line.join()
    await session.update(instruction="look")  # its sender's
    await session.notes.set(30.0)

    async def prepared(instruction: str | None, notes: object) -> tuple[str | None, object, bool]:
        source = {"kind": "room", "name": "door", "instruction": instruction}
        config = MonitorConfig.model_validate(
            {"folder": tmp_path, "source": [source], "notes": notes}
        )
        monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
        await monitor.prepare("door", session)
        monitor._record.close()
        await monitor._client.close()
        noted = await session.notes.settings()
        return (await session.refresh()).instruction, noted.every_s, noted.events

    assert await prepared(None, None) == ("look", 30.0, False)
    noted = {"every_s": 60.0, "events": True}
    assert await prepared("watch the door", noted) == ("watch the door", 60.0, True)
    assert await prepared(None, None) == (None, None, False)


@pytest.mark.parametrize(
    ("roles", "source", "missing"),
    [
        (("publish",), {"kind": "room", "name": "door"}, "watch"),
        (("publish", "watch"), {"kind": "room", "name": "door"}, "ask"),
        (("ask",), {"kind": "room", "name": "door", "instruction": "look"}, "publish"),
        (("ask",), {"kind": "bot", "name": "standup"}, "publish"),
    ],
)
async def test_a_token_that_lacks_a_role_ends_the_monitor_though_nobody_has_come(
    tmp_path: Path, roles: tuple[wire.Role, ...], source: dict[str, str], missing: str
) -> None:
    token = new_token(Gate(KEY), roles, wire.ALL_SESSIONS, 86_400.0, "a monitor")
    async with served(KEY) as line, asyncio.timeout(20.0):
        monitor = Monitor(asking(tmp_path, source), client=EchoSieve(line.url, token))
        with pytest.raises(Forbidden, match=f"takes the role {missing}; the token has "):
            await monitor.run()
    assert monitor.report.exists()


async def test_all_roles_that_a_token_lacks_are_told_at_once(tmp_path: Path) -> None:
    token = new_token(Gate(KEY), ("watch",), wire.ALL_SESSIONS, 86_400.0, "a monitor")
    async with served(KEY) as line, asyncio.timeout(20.0):
        config = asking(tmp_path, {"kind": "bot", "name": "standup"})
        monitor = Monitor(config, client=EchoSieve(line.url, token))
        said = "takes the role ask; the token has watch; what is configured also takes publish"
        with pytest.raises(Forbidden, match=said):
            await monitor.run()


async def test_a_room_takes_no_more_roles_than_it_needs_and_one_session_is_enough(
    tmp_path: Path,
) -> None:
    token = new_token(Gate(KEY), ("ask",), "ses_1", 86_400.0, "a monitor")
    async with served(KEY) as line:
        config = asking(tmp_path, {"kind": "room", "name": "door"})
        monitor = Monitor(config, client=EchoSieve(line.url, token))
        running = asyncio.create_task(monitor.run())
        await eventually(lambda: "door" in monitor._states or running.done())
        assert monitor._states["door"].status == "up"
        running.cancel()
        await asyncio.wait({running})


async def test_a_role_is_missed_also_where_the_service_came_later(tmp_path: Path) -> None:
    token = new_token(Gate(KEY), ("watch",), wire.ALL_SESSIONS, 86_400.0, "a monitor")
    async with served(KEY) as line, asyncio.timeout(20.0):
        there = EchoSieve(line.url, token)
        monitor = Monitor(asking(tmp_path, {"kind": "room", "name": "door"}), backoff=QUICK)
        monitor._client = EchoSieve("http://127.0.0.1:9")
        running = asyncio.create_task(monitor.run())
        await eventually(lambda: bool(monitor._record.gaps()))
        monitor._client = there
        with pytest.raises(Forbidden, match="takes the role ask; the token has watch"):
            await running


def asking(folder: Path, source: dict[str, str]) -> MonitorConfig:
    tables = {"folder": folder, "source": [source], "watch": [{"query": "is it red"}]}
    return MonitorConfig.model_validate(tables)


async def test_what_is_noticed_late_to_be_away_is_down_since_the_last_that_was_heard_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr("clients.monitor.run.time", SimpleNamespace(time=lambda: clock.now))
    monitor = Monitor(asking(tmp_path, {"kind": "room", "name": "door"}), client=EchoSieve())
    monitor.up("door")
    clock.now = 1_300.0
    monitor._window(Story(name="door", session="ses_1"), window(0.0))
    clock.now = 1_331.0
    monitor.down("door", "the service is away")
    (gap,) = monitor._record.gaps()
    assert gap.from_at == monitor._states["door"].since == 1_300.0
    await monitor._client.close()


async def test_a_session_that_could_not_be_set_is_set_the_next_time(
    line: Line, tmp_path: Path
) -> None:
    session, _ = await line.join()
    config = MonitorConfig.model_validate(
        {
            "folder": tmp_path,
            "source": [{"kind": "room", "name": "door"}],
            "watch": [{"query": "is it red"}],
        }
    )
    monitor = Monitor(config, client=EchoSieve(line.url, backoff=QUICK))
    gone = Session(session._transport, session.info.model_copy(update={"id": "ses_0"}), QUICK)
    with pytest.raises(NotFound):
        await monitor.prepare("door", gone)
    assert monitor._record.prepared_to("ses_0") is None
    await monitor._client.close()


async def test_a_disk_that_is_full_ends_the_monitor_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("clients.monitor.record.Record.down", down)
    source = {"kind": "room", "name": "door"}
    config = MonitorConfig.model_validate({"folder": tmp_path, "source": [source]})
    monitor = Monitor(config, client=EchoSieve("http://127.0.0.1:9"), backoff=QUICK)
    with pytest.raises(EchoSieveError, match=r"any longer \(database or disk is full\)$"):
        await monitor.run()
    assert monitor.report.exists()


# --- Bots -----------------------------------------------------------------------------------------


class Taken:
    """A session that keeps what is published to it."""

    id = "ses_1"

    def __init__(self) -> None:
        self.info = info("waiting")
        self.items: list[Any] = []
        self.closed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def publish(self, media: Delivered) -> Self:
        self._reading = asyncio.create_task(self._read(media))
        return self

    async def _read(self, media: Delivered) -> None:
        async for item in media:
            self.items.append(item)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed.set()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def finished(self) -> None:
        if self._reading is not None:
            await asyncio.shield(self._reading)


class Host:
    """What a bot meets: a service with one session, and nobody who watches."""

    def __init__(self) -> None:
        self.session = Taken()
        self.sessions = self

    async def create(self, room: str) -> Session:
        return cast(Session, self.session)

    async def prepare(self, name: str, session: Session) -> None: ...

    async def follow(self, name: str, session: Session, goes_on: object) -> None:
        await self.session.closed.wait()

    def up(self, name: str) -> None: ...

    def down(self, name: str, reason: str) -> None: ...


@asynccontextmanager
async def bots(secret: str | None) -> AsyncIterator[tuple[Host, str]]:
    host = Host()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    table = BotsTable(port=0)
    streams = Streams(cast(EchoSieve, host), host, {})
    bots = Bots(streams, table, {"meeting": secret}, host)
    running = asyncio.create_task(bots.run(listening.set_result))
    try:
        yield host, f"ws://127.0.0.1:{await listening}"
    finally:
        running.cancel()
        await asyncio.wait({running})
        await streams.close()


async def test_a_bot_delivers_sound(tmp_path: Path) -> None:
    async with bots("s") as (host, url), connect(f"{url}/meeting") as bot:
        await bot.send(json.dumps({"type": "hello", "video": False, "secret": "s"}))
        assert json.loads(await bot.recv()) == {"type": "ready", "session": "ses_1"}
        await bot.send(packed("audio", 0.5, b"\x00\x40" * 320))
        await bot.send(json.dumps({"type": "bye"}))
        await eventually(lambda: bool(host.session.items))
    (sound,) = host.session.items
    assert isinstance(sound, Sound)
    assert (sound.start_s, len(sound.samples), sound.samples[0]) == (0.5, 320, 0.5)


@pytest.mark.parametrize(
    ("hello", "piece", "said"),
    [
        ({"type": "hello"}, None, "the secret is not the one"),
        ({"type": "hello", "secret": "s"}, b"\0", "length of its header"),
        ({"type": "hello", "secret": "s"}, packed("audio", 1e6, b"\0\0"), "ahead"),
        ({"type": "hello", "secret": "s"}, packed("video", 0.0, b"no jpeg"), "no JPEG"),
        ({"type": "hello", "secret": "s"}, json.dumps({"type": "pause"}), "a text is"),
        ({"type": "hello", "secret": "s"}, b"\0" * 5_000_000, "at most 4194304 bytes"),
    ],
)
async def test_a_bot_that_does_not_keep_to_the_protocol_is_told_why(
    hello: dict[str, str], piece: str | bytes | None, said: str
) -> None:
    async with bots("s") as (_, url), connect(f"{url}/meeting") as bot:
        await bot.send(json.dumps(hello))
        if piece is not None:
            assert json.loads(await bot.recv())["type"] == "ready"
            await bot.send(piece)
        answer = json.loads(await bot.recv())
        assert answer["type"] == "error"
        assert said in answer["message"]
        with pytest.raises(ConnectionClosedError):
            await bot.recv()


async def test_strangers_and_web_pages_are_turned_away() -> None:
    async with bots(None) as (_, url):
        with pytest.raises(InvalidStatus, match="404"):
            async with connect(f"{url}/cellar"):
                pass
        with pytest.raises(InvalidStatus, match="403"):
            async with connect(f"{url}/meeting", origin="http://evil.example"):  # type: ignore[arg-type]
                pass
