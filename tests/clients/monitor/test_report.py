"""The report of a run."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.monitor.blanks import NO_PICTURE
from clients.monitor.record import Blank, Entry, Gap, Record, Recorded, Seen, Stretch
from clients.monitor.report import markdown, number, write
from clients.monitor.timeline import clock
from clients.sdk.errors import EchoSieveError
from session import wire
from tests.clients.mqtt.recorded import happened


def note(text: str) -> wire.NoteAdded:
    return wire.NoteAdded(
        note=wire.Note(
            id="note_1",
            session="ses_1",
            start_s=0.0,
            end_s=60.0,
            noted_at=0.0,
            text=text,
            reason="time",
        )
    )


@contextmanager
def kept(folder: Path, *events: Recorded) -> Iterator[Record]:
    """A record that was closed and opened again."""
    record = Record(folder / "r.db")
    for place, event in enumerate(events):
        record.add(Entry("kitchen", "ses_1", float(place), event))
    record.close()
    record = Record(folder / "r.db")
    yield record
    record.close()


def test_the_report_lists_events_and_notes_with_a_timeline(tmp_path: Path) -> None:
    with kept(tmp_path, happened(1, "new"), happened(2, "end"), note("calm")) as record:
        text = write(record, tmp_path).read_text()
    assert "2 events, 1 note." in text
    assert "| 0:00:10 | still there | a red circle appears |" in text
    assert "| 0:00:20 | 0:00:24 |" in text
    assert "- 0:00:00 to 0:01:00: calm" in text
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_a_watch_that_could_not_be_judged_is_in_the_report_once(tmp_path: Path) -> None:
    unanswered = wire.WatchUnanswered(
        watch="wat_1", query="is | sad?", question="is | sad?", answered=0.1
    )
    with kept(tmp_path, unanswered, unanswered, happened(1, "new")) as record:
        text = write(record, tmp_path).read_text()
    assert text.count("word these otherwise:") == 1
    assert text.count("(asked as: is") == 1
    assert "1 event, 0 notes." in text
    assert "otherwise" not in markdown(Seen([]), timeline=False)


def test_every_new_number_is_in_the_report(tmp_path: Path) -> None:
    numbers = [
        wire.WatchCounted(
            id=f"wat_1.{count}",
            watch="wat_1",
            query="red | things",
            count=count,
            before=before,
            end_s=60.0 * count,
            probability=0.9,
        )
        for count, before in ((2, None), (3, 2))
    ]
    with kept(tmp_path, *numbers) as record:
        text = write(record, tmp_path).read_text()
    assert r"| 0:02:00 | red \| things | 2 |  |" in text
    assert r"| 0:03:00 | red \| things | 3 | 2 |" in text
    assert "No event." not in text


def test_what_was_said_is_text_and_not_markup() -> None:
    entries = [Entry("kitchen", "ses_1", 0.0, note("![x](http://evil) | <b>\nnew line"))]
    text = markdown(Seen(entries), timeline=False)
    assert r"\!\[x\](http://evil) \| \<b\> new line" in text


def test_gaps_are_listed_with_where_in_the_session_they_lie(tmp_path: Path) -> None:
    with kept(tmp_path, happened(1, "end")) as record:
        record.down(Gap("kitchen", "ses_1", 12.0, 60.0, None, "the camera | is gone"))
        record.down(Gap("kitchen", "ses_1", 12.0, 90.0, None, "and still is"))
        record.up("kitchen", 120.0)
        record.down(Gap("cellar", None, None, 180.0, None, "no such host"))
        text = write(record, tmp_path).read_text()
    assert "1 event, 0 notes, 2 gaps." in text
    began, ended = "1970-01-01 00:01:00", "1970-01-01 00:02:00"
    assert rf"| kitchen | {began} | {ended} | 0:00:12 | the camera \| is gone |" in text
    assert "| cellar | 1970-01-01 00:03:00 | still down |  | no such host |" in text


def test_what_did_not_come_is_a_gap_too_and_a_quiet_session_has_a_section_and_a_timeline(
    tmp_path: Path,
) -> None:
    with kept(tmp_path) as record:
        record.watched(Stretch("yard", "ses_1", 0.0, 125.0))
        record.blank(Blank("yard", "ses_1", NO_PICTURE, 62.0, 70.0))
        text = write(record, tmp_path).read_text()
    assert "0 events, 0 notes, 1 gap." in text
    assert r"| yard | ses\_1 | 0:01:02 | 0:01:10 | no picture |" in text
    assert "## yard (ses\\_1)\n\nWatched from 0:00:00 to 0:02:05.\n\nNo event.\n" in text
    assert "(timeline.png)" in text
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_gaps_are_in_the_order_of_sources_and_time_and_not_of_telling() -> None:
    stretches = [Stretch("yard", session, 0.0, 60.0) for session in ("ses_2", "ses_1")]
    stretches.append(Stretch("door", "ses_0", 0.0, 60.0))
    told = [("door", "ses_0", 5.0), ("yard", "ses_1", 1.0), ("yard", "ses_2", 9.0)]
    told += [("cellar", "ses_9", 0.0), ("yard", "ses_2", 3.0)]
    blanks = [Blank(*one[:2], NO_PICTURE, one[2], one[2] + 2.0) for one in told]
    gaps = [Gap(name, None, None, at, at + 1.0, "away") for name, _, at in told]
    text = markdown(Seen([], gaps, stretches, blanks), timeline=False)
    rows = [line.split("|")[1:5] for line in text.splitlines() if line.startswith("| ")]
    found = [[cell.strip().replace("\\", "") for cell in row] for row in rows]
    seconds = [(row[0], row[1][-2:]) for row in found if row[1].startswith("1970")]
    yard = [("yard", "01"), ("yard", "03"), ("yard", "09")]
    assert seconds == [*yard, ("door", "05"), ("cellar", "00")]
    assert [tuple(row[:3]) for row in found if row[1].startswith("ses_")] == [
        ("yard", "ses_2", "0:00:03"),
        ("yard", "ses_2", "0:00:09"),
        ("yard", "ses_1", "0:00:01"),
        ("door", "ses_0", "0:00:05"),
        ("cellar", "ses_9", "0:00:00"),
    ]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has room for a few letters."""

    def write_text(path: Path, text: str) -> int:
        path.write_bytes(text[:8].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", write_text)


@pytest.mark.usefixtures("full")
def test_the_report_before_stands_where_the_disk_is_full(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_bytes(b"the one before")
    said = r"report\.md: cannot be written \(No space left"
    with kept(tmp_path, happened(1, "end")) as record, pytest.raises(EchoSieveError, match=said):
        write(record, tmp_path)
    assert (tmp_path / "report.md").read_bytes() == b"the one before"
    assert not list(tmp_path.glob(".*"))


def test_one_is_not_many() -> None:
    assert [number(count, "gap") for count in (0, 1, 2)] == ["0 gaps", "1 gap", "2 gaps"]


def test_a_report_without_matplotlib_has_all_but_its_timeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with kept(tmp_path, happened(1, "end")) as record:
        text = write(record, tmp_path).read_text()
    assert "1 event, " in text
    assert "timeline.png" not in text
    assert "matplotlib is missing: pip install" in caplog.text


def test_nothing_seen_is_a_report_too(tmp_path: Path) -> None:
    with kept(tmp_path) as record:
        assert "0 events, 0 notes." in write(record, tmp_path).read_text()
    assert not (tmp_path / "timeline.png").exists()


def test_session_time_is_shown_as_hours_minutes_seconds() -> None:
    assert clock(3_725.9) == "1:02:05"
