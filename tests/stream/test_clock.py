"""Clocks: unwrapping, sender reports, drift, and where sound is laid."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import SenderClock, SlidingMinimum, SoundPlacer, TrackClock, Unwrapper
from stream.clock import ntp_seconds as to_seconds
from stream.window import SAMPLE_RATE

NTP_2026 = 3_990_000_000.0


@given(
    first=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=50),
)
def test_unwrapped_stamps_differ_as_the_true_ones_do(first: int, steps: list[int]) -> None:
    unwrapper, true = Unwrapper(), first
    assert unwrapper.map(first) == first
    for step in steps:
        assert unwrapper.near((true + step) % 2**32) == true + step
        true += step
        assert unwrapper.map(true % 2**32) == true


def test_a_packet_from_before_the_wrap_that_comes_after_it_is_mapped_back() -> None:
    unwrapper = Unwrapper()
    stamps = [2**32 - 1920, 0, 2**32 - 960, 960]
    assert [unwrapper.map(s) - 2**32 for s in stamps] == [-1920, 0, -960, 960]


def test_ntp_time_stamps_are_fixed_point_seconds() -> None:
    assert to_seconds(5 << 32 | 1 << 31) == 5.5


def test_the_minimum_forgets_what_is_older_than_its_span() -> None:
    minimum = SlidingMinimum()
    assert minimum.value is None
    minimum.add(1.0, 0.0)
    minimum.add(3.0, 5.0)
    assert minimum.value == 1.0
    minimum.add(3.0, 12.0)
    assert minimum.value == 3.0


class Sender:
    """A sender whose wall clock is off, sending 20 ms of sound and a picture every 100 ms."""

    def __init__(
        self, *, clock_error_s: float = 0.0, audio_rtp: int = 0, video_rtp: int = 0
    ) -> None:
        self.ntp_s = NTP_2026 + clock_error_s
        clock = SenderClock()
        self.audio, self.video = clock.track(48_000), clock.track(90_000)
        self.first = {self.audio: audio_rtp, self.video: video_rtp}
        self.rate = {self.audio: 48_000, self.video: 90_000}

    def rtp(self, track: TrackClock, at_s: float) -> int:
        return self.first[track] + round(at_s * self.rate[track])

    def run(self, begin_s: float, end_s: float, delays: dict[TrackClock, float]) -> None:
        """Packets of [begin_s, end_s) arrive in order, each its track's delay (and a bit) late."""
        rng = random.Random(1)
        events = []
        for track, period_s in ((self.audio, 0.02), (self.video, 0.1)):
            for i in range(round(begin_s / period_s), round(end_s / period_s)):
                jitter_s = 0.0 if i % 10 == 0 else rng.uniform(0, 0.03)
                events.append((i * period_s + delays[track] + jitter_s, track, i * period_s))
        for arrival_s, track, at_s in sorted(events, key=lambda e: e[0]):
            track.arrive(self.rtp(track, at_s), arrival_s)

    def report(self, track: TrackClock, at_s: float) -> None:
        track.report(self.ntp_s + at_s, self.rtp(track, at_s))

    def error_s(self, track: TrackClock, at_s: float) -> float:
        return track.seconds(self.rtp(track, at_s)) - at_s


@pytest.mark.parametrize("clock_error_s", [-4e6, -0.7, 0.0, 0.9, 3e8])
def test_after_the_reports_both_tracks_lie_beside_each_other(clock_error_s: float) -> None:
    sender = Sender(clock_error_s=clock_error_s, audio_rtp=2**32 - 5000, video_rtp=17)
    delays = {sender.audio: 0.030, sender.video: 0.280}
    sender.run(0.0, 3.0, delays)
    assert sender.error_s(sender.audio, 3.0) == pytest.approx(0.030, abs=1e-3)
    assert sender.error_s(sender.video, 3.0) == pytest.approx(0.280, abs=1e-3)
    sender.report(sender.audio, 2.9)
    sender.report(sender.video, 2.95)
    for track in (sender.audio, sender.video):
        assert track.reported
        assert sender.error_s(track, 3.0) == pytest.approx(0.030, abs=1e-3)


@given(
    delay_a=st.floats(0, 0.5),
    delay_v=st.floats(0, 0.5),
    clock_error_s=st.floats(-1e6, 1e6),
    reports=st.lists(st.booleans(), max_size=4),
)
def test_nothing_is_ever_later_than_its_arrival(
    delay_a: float, delay_v: float, clock_error_s: float, reports: list[bool]
) -> None:
    sender = Sender(clock_error_s=clock_error_s)
    delays = {sender.audio: delay_a, sender.video: delay_v}
    sender.run(0.0, 1.0, delays)
    for about_audio in reports:
        sender.report(sender.audio if about_audio else sender.video, 0.9)
    for track in (sender.audio, sender.video):
        track.arrive(sender.rtp(track, 1.5), 1.5 + delays[track])
        assert sender.error_s(track, 1.5) <= delays[track] + 1e-6


def test_a_report_without_a_time_is_no_report() -> None:
    sender = Sender()
    sender.run(0.0, 1.0, {sender.audio: 0.03, sender.video: 0.05})
    sender.video.report(0.0, 0)
    assert not sender.video.reported


def test_reports_that_contradict_the_arrivals_by_seconds_are_not_believed() -> None:
    sender = Sender()
    sender.run(0.0, 2.0, {sender.audio: 0.03, sender.video: 0.05})
    sender.report(sender.audio, 1.0)
    sender.video.report(NTP_2026 - 20.0, sender.rtp(sender.video, 1.0))
    assert sender.error_s(sender.video, 2.0) == pytest.approx(0.05, abs=1e-3)


def test_when_the_senders_clock_is_set_anew_the_old_reports_are_void() -> None:
    sender = Sender()
    delays = {sender.audio: 0.03, sender.video: 0.13}
    sender.run(0.0, 2.0, delays)
    sender.report(sender.audio, 1.0)
    sender.report(sender.video, 1.0)
    sender.ntp_s -= 3600.0
    sender.report(sender.audio, 2.0)
    assert not sender.video.reported
    assert sender.error_s(sender.video, 2.0) == pytest.approx(0.13, abs=1e-3)
    sender.report(sender.video, 2.0)
    assert sender.error_s(sender.video, 2.0) == pytest.approx(0.03, abs=1e-3)


@pytest.mark.parametrize("jump", [10 * 3600 * 90_000, -3600 * 90_000, -30 * 90_000])
def test_a_jump_of_the_rtp_time_starts_a_new_time_line(jump: int) -> None:
    sender = Sender()
    delays = {sender.audio: 0.03, sender.video: 0.05}
    sender.run(0.0, 2.0, delays)
    sender.report(sender.audio, 1.0)
    sender.report(sender.video, 1.0)
    sender.first[sender.video] += jump
    sender.run(2.0, 2.5, delays)
    assert sender.error_s(sender.video, 2.5) == pytest.approx(0.05, abs=1e-3)
    assert sender.error_s(sender.audio, 2.5) == pytest.approx(0.03, abs=1e-3)


def test_a_burst_after_a_stall_of_the_network_keeps_its_times() -> None:
    sender = Sender()
    delays = {sender.audio: 0.03, sender.video: 0.05}
    sender.run(0.0, 2.0, delays)
    for i in range(100):  # two seconds of sound arrive at once
        sender.audio.arrive(sender.rtp(sender.audio, 2.0 + i / 50), 4.0 + i / 1000)
        assert sender.error_s(sender.audio, 2.0 + i / 50) == pytest.approx(0.03, abs=1e-3)


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_a_drifting_sender_is_followed_for_hours(drift: float) -> None:
    track = SenderClock().track(48_000)
    for second in range(0, 4 * 3600):
        track.arrive(round(second * (1 + drift) * 48_000), second + 0.02)
    error_s = track.seconds(round(second * (1 + drift) * 48_000)) - second
    assert error_s == pytest.approx(0.02, abs=0.003)


def test_the_decoders_delay_is_taken_off() -> None:
    track = SenderClock().track(48_000, delay_s=0.0065)
    track.arrive(48_000, 1.0)
    assert track.seconds(48_000) == pytest.approx(0.9935)


def test_the_time_of_a_track_that_has_not_begun_is_an_error() -> None:
    with pytest.raises(ValueError, match="no packet"):
        SenderClock().track(48_000).seconds(0)


@given(errors=st.lists(st.floats(-0.0009, 0.0009), min_size=2, max_size=50))
def test_blocks_that_follow_each_other_are_laid_without_a_seam(errors: list[float]) -> None:
    placer, expected = SoundPlacer(), None
    for i, error_s in enumerate(errors):
        placed = placer.place(100.0 + i * 0.02 + error_s / 2, 320)
        assert placed.count == 320
        assert expected in (None, placed.start)
        expected = placed.start + 320


@pytest.mark.parametrize("drift", [-0.003, -100e-6, 100e-6, 0.003])
def test_a_drift_is_absorbed_by_stretching_a_little(drift: float) -> None:
    placer, end = SoundPlacer(), 0
    for i in range(30_000):
        placed = placer.place(i * 0.02 * (1 + drift), 320)
        assert placed.start == end
        assert abs(placed.count - 320) <= 3
        end = placed.start + placed.count
    assert end / SAMPLE_RATE == pytest.approx(600 * (1 + drift), abs=0.003)


@pytest.mark.parametrize("jump_s", [-0.25, 0.05, 3600.0])
def test_a_jump_is_no_drift(jump_s: float) -> None:
    placer = SoundPlacer()
    placer.place(1.0, 320)
    placed = placer.place(1.02 + jump_s, 320)
    assert placed.start == round((1.02 + jump_s) * SAMPLE_RATE)
    assert placed.count == 320


def test_a_packet_that_was_lost_leaves_a_gap_of_its_length_although_it_is_short() -> None:
    placer = SoundPlacer()
    placer.place(0.0, 320)
    placer.skip(0.02)
    placed = placer.place(0.04, 320)
    assert (placed.start, placed.count) == (640, 320)
