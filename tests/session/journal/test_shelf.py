"""Watches and notes over the end of a session, of the service, and of its process."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path

from session import wire
from session.config import ServiceConfig
from session.journal import records
from session.journal.journal import opened
from session.journal.schema import STEPS
from session.wire.events import EVENT
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine, FakePeer, eventually

SEEN = "is it there since 0"


def config(file: Path) -> ServiceConfig:
    return ServiceConfig(rows=2, journal=str(file))


async def again(house: House, session: str) -> FakePeer:
    """A sender attaches to a session that has ended."""
    headers = {"Content-Type": "application/sdp"}
    path = f"/whip/room?session={session}"
    answer = await house.http.post(path, content="v=0\r\n", headers=headers)
    assert answer.status_code == 201, answer.text
    return house.exchange.peers[-1]


async def shown(house: House, session: str, peer: FakePeer, windows: int) -> None:
    """So many more windows, each judged, and what is asked about them answered."""
    live = await house.manager.live(session)

    def settled(wanted: int) -> bool:
        end_s = live.progress.memory.newest_s or 0.0
        judged = all((w.judged_s or 0) >= end_s for w in live.attendant.watches.all())
        return live.progress.windows >= wanted and judged and live.attendant.idle

    for _ in range(windows):
        wanted = live.progress.windows + 1
        await peer.play(2.0 * wanted + 0.1)
        await eventually(partial(settled, wanted))
    await live.hub.told()


def on_file(file: Path, session: str) -> list[wire.Event]:
    """The events in the journal of a service that has stopped."""
    db = opened(str(file), STEPS)
    rows = records.events(db, session, 0, 1_000, 1_000)
    db.close()
    return [EVENT.validate_json(body) for _, _, body in rows]


def pictures(file: Path) -> list[Path]:
    return list(Path(f"{file}.pictures").rglob("*.jpg"))


def changes(file: Path, session: str) -> list[tuple[str, str]]:
    told = [event for event in on_file(file, session) if isinstance(event, wire.WatchEvent)]
    return [(event.change, event.id.rpartition(".")[2]) for event in told]


async def test_watches_and_notes_go_on_where_the_service_was_restarted(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(rows=2), config(file)):
        session, peer = await house.join()
        watch = {"query": SEEN, "threshold": 0.7, "snapshot": True}
        await house.http.post(f"/v1/sessions/{session}/watches", json=watch)
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 60.0})
        await shown(house, session, peer, 2)
    assert changes(file, session) == [("new", "1"), ("end", "1")]
    async for house in open_house(FakeEngine(rows=2), config(file)):
        peer = await again(house, session)
        (kept,) = (await house.http.get(f"/v1/sessions/{session}/watches")).json()["watches"]
        assert (kept["query"], kept["threshold"], kept["events"]) == (SEEN, 0.7, 1)
        notes = (await house.http.get(f"/v1/sessions/{session}/notes")).json()
        assert notes["settings"]["every_s"] == 60.0
        await shown(house, session, peer, 1)
    assert changes(file, session) == [("new", "1"), ("end", "1"), ("new", "2"), ("end", "2")]


async def test_what_was_open_when_the_process_was_killed_ends_when_it_starts_again(
    tmp_path: Path,
) -> None:
    file, killed = tmp_path / "journal.db", tmp_path / "killed.db"
    async for house in open_house(FakeEngine(rows=2), config(file)):
        session, peer = await house.join()
        watch = {"query": SEEN, "update_s": 4.0}
        await house.http.post(f"/v1/sessions/{session}/watches", json=watch)
        await shown(house, session, peer, 3)
        await copied(house, killed)
    assert changes(killed, session) == [("new", "1"), ("update", "1")]
    async for _ in open_house(FakeEngine(rows=2), config(killed)):
        pass
    assert changes(killed, session) == [("new", "1"), ("update", "1"), ("end", "1")]
    *_, end, closed = on_file(killed, session)
    assert isinstance(end, wire.WatchEvent)
    assert end.ended_s == 6.0
    assert closed.type == "session.closed"
    async for house in open_house(FakeEngine(rows=2), config(killed)):
        await shown(house, session, await again(house, session), 1)
    assert changes(killed, session)[3:] == [("new", "2"), ("end", "2")]


async def copied(house: House, to: Path) -> None:
    """The journal's file as a killed process leaves it."""

    def copy(db: sqlite3.Connection) -> None:
        with sqlite3.connect(to) as target:
            db.commit()
            db.backup(target)
        target.close()
        db.execute("BEGIN")

    await house.app.state.service.shelf.journal.do(copy)


async def test_a_question_about_what_is_forgotten_is_answered_from_the_notes(
    tmp_path: Path,
) -> None:
    async for house in open_house(FakeEngine(rows=2), config(tmp_path / "journal.db")):
        session, peer = await house.join()
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 10.0})
        await shown(house, session, peer, 5)
        live = await house.manager.live(session)
        live.progress.memory = live.progress.memory.model_copy(update={"oldest_s": 600.0})
        answer = (await house.ask(session, "what happened in the first 20 seconds?")).json()
        assert answer["text"] == "From the notes: 0:00 to 0:10, describe the last seconds at 5."
        assert len(answer["notes"]) == 1
        assert answer["spans"] == [{"start_s": 0.0, "end_s": 10.0}]
        assert (answer["status"], answer["output_tokens"]) == ("completed", 1)
        never = {"question": "what happened in the first 20 seconds?", "notes": "never"}
        answer = (await house.http.post(f"/v1/sessions/{session}/ask", json=never)).json()
        assert answer["notes"] == []
        only = {"question": "describe it", "notes": "only"}
        answer = (await house.http.post(f"/v1/sessions/{session}/ask", json=only)).json()
        assert answer["text"].startswith("From the notes: 0:00")


async def test_a_model_that_can_read_is_given_the_notes(tmp_path: Path) -> None:
    able = ServiceConfig(rows=2, model="Qwen/Qwen2.5-Omni-3B")
    async for house in open_house(FakeEngine(rows=2), able):
        session, peer = await house.join()
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 10.0})
        await shown(house, session, peer, 5)
        only = {"question": "describe what was seen", "notes": "only"}
        answer = (await house.http.post(f"/v1/sessions/{session}/ask", json=only)).json()
        assert answer["text"].startswith("From the notes: These notes were written earlier")
        asked, history, open_window = house.engine.asked[-1]
        assert asked.endswith("describe what was seen")
        assert (history, open_window) == ((), None)


async def test_notes_are_found_and_exported_also_when_the_session_has_ended(
    tmp_path: Path,
) -> None:
    async for house in open_house(FakeEngine(rows=2), config(tmp_path / "journal.db")):
        session, peer = await house.join()
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 10.0})
        await shown(house, session, peer, 10)
        await house.manager.end(session, "enough")
        path = f"/v1/sessions/{session}/notes"
        assert len((await house.http.get(path)).json()["notes"]) == 2
        found = (await house.http.get(path, params={"search": "10"})).json()["notes"]
        assert [note["text"] for note in found] == ["describe the last seconds at 10"]
        assert (await house.http.get(path, params={"search": "dog"})).json()["notes"] == []
        vtt = await house.http.get(path, params={"format": "vtt"})
        assert vtt.headers["content-type"].startswith("text/vtt")
        assert vtt.text.count(" --> ") == 2
        md = await house.http.get(path, params={"format": "md"})
        assert "0:10 to 0:20" in md.text
        assert (await house.http.get(path, params={"format": "doc"})).status_code == 422


async def test_with_its_record_goes_every_word_and_picture_of_a_session(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(rows=2), config(file)):
        session, peer = await house.join()
        watch = {"query": f"the secret {SEEN}", "describe": True, "snapshot": True}
        await house.http.post(f"/v1/sessions/{session}/watches", json=watch)
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"events": True})
        await shown(house, session, peer, 2)
        assert pictures(file)
        assert json.loads((await house.http.get(f"/v1/sessions/{session}/notes")).text)["notes"]
        removed = await house.http.delete(f"/v1/sessions/{session}/record")
        assert removed.status_code == 204
        assert not pictures(file)
        assert (await house.http.get(f"/v1/sessions/{session}/notes")).status_code == 404
    assert b"secret" not in file.read_bytes()


async def test_a_session_that_waits_for_its_sender_can_be_given_watches_and_notes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.db"
    async for house in open_house(FakeEngine(rows=2), config(file)):
        made = await house.http.post("/v1/sessions", json={"room": "room"})
        session = made.json()["id"]
        path = f"/v1/sessions/{session}/watches"
        kept = (await house.http.post(path, json={"query": SEEN})).json()
        other = (await house.http.post(path, json={"query": "a cat"})).json()
        assert kept["state"] == "waiting"
        assert (await house.http.delete(f"{path}/{other['id']}")).status_code == 200
        changed = await house.http.patch(f"{path}/{kept['id']}", json={"threshold": 0.8})
        assert changed.json()["threshold"] == 0.8
        await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 30.0})
        peer = await again(house, session)
        await shown(house, session, peer, 1)
        (listed,) = (await house.http.get(path)).json()["watches"]
        assert (listed["id"], listed["threshold"], listed["state"]) == (kept["id"], 0.8, "open")
    assert changes(file, session) == [("new", "1"), ("end", "1")]
