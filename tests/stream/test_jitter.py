"""Jitter buffers: frames come out once, in order, as soon as they are complete."""

from __future__ import annotations

import pytest
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from stream.jitter import FrameBuffer, PictureBuffer, SoundBuffer


def packet(number: int, timestamp: int, data: bytes = b"x", *, marker: bool = False) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 2**16, timestamp=timestamp % 2**32, marker=marker)
    made._data = data
    return made


def taken(buffer: FrameBuffer, packets: list[RtpPacket]) -> list[JitterFrame]:
    frames = []
    for one in packets:
        _, frame = buffer.add(one)
        frames += [frame] if frame is not None else []
        frames += buffer.frames()
    return frames


def sounds(count: int, first: int = 0) -> list[RtpPacket]:
    return [packet(first + i, 960 * i, bytes([i % 256])) for i in range(count)]


def pictures(sizes: list[int], first: int = 0, step: int = 9000) -> list[RtpPacket]:
    """Pictures of ``sizes`` packets each, ``step`` apart; the data name picture and packet."""
    made, number = [], first
    for i, size in enumerate(sizes):
        for k in range(size):
            made.append(packet(number, i * step, bytes([i, k]), marker=k == size - 1))
            number += 1
    return made


def whole(i: int, size: int) -> bytes:
    return b"".join(bytes([i, k]) for k in range(size))


def test_a_sound_goes_out_with_its_packet() -> None:
    buffer = SoundBuffer()
    for i, one in enumerate(sounds(100, first=65_500)):
        needs_keyframe, frame = buffer.add(one)
        assert frame is not None
        assert (frame.data, frame.timestamp, needs_keyframe) == (bytes([i]), 960 * i, False)


@given(st.lists(st.integers(0, 2), min_size=50, max_size=50), st.sampled_from([0, 65_500]))
def test_sounds_a_little_out_of_order_come_out_in_order_and_complete(
    delays: list[int], first: int
) -> None:
    made = sounds(50, first)
    order = [0, *sorted(range(1, 50), key=lambda i: (i + delays[i], i))]
    frames = taken(SoundBuffer(), [made[i] for i in order])
    assert [frame.timestamp for frame in frames] == [960 * i for i in range(50)]


def test_a_lost_sound_is_waited_for_and_then_passed_over_with_all_that_waited() -> None:
    made, buffer = sounds(10), SoundBuffer()
    frames = taken(buffer, made[:3] + made[4:7])
    assert len(frames) == 3
    frames += taken(buffer, made[7:8])
    assert [frame.timestamp // 960 for frame in frames] == [0, 1, 2, 4, 5, 6, 7]
    assert taken(buffer, [made[3]]) == []  # too late
    assert buffer.lost == 1


def test_a_picture_goes_out_with_its_last_packet() -> None:
    buffer = PictureBuffer()
    results = [buffer.add(one)[1] for one in pictures([3, 1, 2])]
    assert [r.data if r else None for r in results] == [
        None, None, whole(0, 3), whole(1, 1), None, whole(2, 2),
    ]  # fmt: skip


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=20),
    delays=st.lists(st.integers(0, 5), min_size=120, max_size=120),
    first=st.sampled_from([0, 65_530]),
)
def test_pictures_come_out_in_order_and_complete_however_their_packets_are_mixed(
    sizes: list[int], delays: list[int], first: int
) -> None:
    made = pictures(sizes, first)
    order = [0, *sorted(range(1, len(made)), key=lambda i: (i + delays[i], i))]
    doubled = [made[i] for i in order for _ in range(1 + delays[i] % 2)]
    frames = taken(PictureBuffer(), doubled)
    assert [frame.data for frame in frames] == [whole(i, n) for i, n in enumerate(sizes)]


def test_a_sender_without_markers_is_understood_one_picture_later() -> None:
    made = pictures([2, 2, 2])
    for one in made:
        one.marker = 0
    assert [f.data for f in taken(PictureBuffer(), made)] == [whole(0, 2), whole(1, 2)]


def test_after_a_repaired_loss_everything_that_waited_comes_at_once() -> None:
    made, buffer = pictures([1] * 5), PictureBuffer()
    assert len(taken(buffer, [made[0], *made[2:]])) == 1
    assert [frame.data for frame in taken(buffer, [made[1]])] == [whole(i, 1) for i in range(1, 5)]
    assert buffer.lost == 0


def test_a_loss_that_nobody_repairs_costs_half_a_second_and_asks_for_a_key_frame() -> None:
    made, buffer = pictures([2] * 10), PictureBuffer()
    frames, asked_at = [], []
    for one in made[:5] + made[6:]:
        needs_keyframe, frame = buffer.add(one)
        frames += [frame] if frame else []
        frames += buffer.frames()
        asked_at += [one.timestamp] if needs_keyframe else []
    assert asked_at == [8 * 9000]  # 0.6 s after the picture that could not be completed
    assert [frame.data[0] for frame in frames] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert buffer.lost == 1


def test_packets_without_content_fill_the_line_and_are_no_frames() -> None:
    made = sounds(3)
    made[1]._data = b""
    assert [frame.data for frame in taken(SoundBuffer(), made)] == [b"\x00", b"\x02"]


@pytest.mark.parametrize("buffer", [SoundBuffer(), PictureBuffer()])
def test_a_new_stream_on_the_same_line_begins_at_once(buffer: FrameBuffer) -> None:
    taken(buffer, pictures([1, 1, 1]))
    frames = taken(buffer, pictures([1, 1, 1], first=30_000))
    assert [frame.data for frame in frames] == [whole(i, 1) for i in range(3)]


def test_after_a_cut_of_more_packets_than_are_waited_for_a_key_frame_is_asked_for() -> None:
    before, after = pictures([2, 2]), pictures([2, 2], first=5_000)
    buffer = PictureBuffer()
    assert [buffer.add(one)[0] for one in before] == [False] * 4
    assert [buffer.add(one)[0] for one in after] == [True, False, False, False]
    sound = SoundBuffer()
    assert not any(sound.add(one)[0] for one in [*sounds(3), *sounds(3, first=5_000)])


def test_of_two_packets_with_one_number_the_first_counts() -> None:
    begun = [packet(0, 7, b"a"), packet(1, 7, b"b")]
    doubled, last = packet(1, 90_007, b"?"), packet(2, 7, b"c", marker=True)
    (frame,) = taken(PictureBuffer(), [*begun, doubled, last])
    assert (frame.data, frame.timestamp) == (b"abc", 7)


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.booleans())))
def test_the_memory_of_a_buffer_is_bounded_whatever_comes(
    junk: list[tuple[int, int, bool]],
) -> None:
    for buffer in (SoundBuffer(), PictureBuffer()):
        taken(buffer, [packet(n, t, marker=m) for n, t, m in junk])
        assert len(buffer._packets) <= 1001


def test_a_picture_without_an_end_is_given_up() -> None:
    buffer = PictureBuffer()
    assert taken(buffer, [packet(n, 7) for n in range(20_000)]) == []
    assert len(buffer._packets) <= 1001
