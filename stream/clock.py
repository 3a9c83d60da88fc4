"""The time of a sender's media on the session clock. Pure: every time is an argument.

A sender stamps its packets with RTP time, which counts samples or 1/90000 s from a random start and
is related to no other track. Its RTCP sender reports (RFC 3550, section 6.4.1) tell which instant
of the sender's wall clock an RTP time stands for. That clock is often wrong, so only differences
are taken from it: the tracks of a sender are laid beside each other by the reports, and all of them
on the session clock by the packet that came through the network fastest.

For each track two numbers say everything (all in seconds, media = RTP time / clock rate):

* ``lag``: the least (arrival - media) of the last seconds; media + lag is the earliest instant at
  which such a packet was ever seen to arrive;
* ``skew``: the least (sender's wall clock - media) of the last sender reports. (Some senders write
  the instant of sending where the instant of capture belongs; the least is the nearest to it.)

``lag - skew`` then is (session clock - sender's wall clock) plus the delay of the fastest packet;
the least of it over the tracks is the offset for all of them, hence for a track with a report

    session time = media + skew + min over tracks (lag - skew)  <=  media + lag  <=  arrival

and media + lag until the first report.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from stream.window import SAMPLE_RATE

# libopus shifts the sound by its look-ahead of 312 samples at 48 kHz: decoded sample n is what was
# captured 312 samples before the time stamp of n (RFC 6716, section 2.1.4 and OPUS_GET_LOOKAHEAD).
OPUS_DELAY_S = 312 / 48_000

_LAG_SPAN_S = 10.0  # how long the fastest packet counts: long against jitter, short against drift
_BUCKET_S = 1.0
_EARLY_S = 1.0  # a packet that seems to arrive this long before its time belongs to a new time line
_LATE_S = 4.0  # and so does one that seems to arrive this long after
_STEP_S = 0.2  # reports that move by more than this tell of a sender's clock that was set anew
_CORRECTION_MAX_S = 1.0  # reports that want to shift a track by more than this are not believed


class Unwrapper:
    """Extends RTP time stamps (32 bits) or sequence numbers (16) to integers that do not wrap.

    Every number is taken to lie within half of the range of the one before, in either direction, so
    reordered packets are mapped right, before and after a wrap. RFC 3550, section 5.1.
    """

    def __init__(self, bits: int = 32) -> None:
        self._range = 1 << bits
        self._last: int | None = None

    def map(self, number: int) -> int:
        """The extended number; the first is itself. May be negative for packets before it."""
        self._last = self.near(number)
        return self._last

    def near(self, number: int) -> int:
        """The extended number without moving on to it (for sender reports)."""
        if self._last is None:
            return number
        step = (number - self._last) % self._range
        return self._last + (step if step < self._range // 2 else step - self._range)


def ntp_seconds(ntp: int) -> float:
    """Seconds of a 64-bit NTP time stamp, 32.32 fixed point (RFC 3550, section 4)."""
    return ntp / 2**32


class SlidingMinimum:
    """The least value of the last ``_LAG_SPAN_S`` seconds, in buckets of ``_BUCKET_S``."""

    def __init__(self) -> None:
        self.value: float | None = None  # the minimum; None before the first value
        self._buckets: deque[tuple[float, float]] = deque()  # (start of the bucket, least in it)

    def add(self, value: float, at_s: float) -> None:
        """Takes a value; ``at_s`` does not decrease."""
        if self._buckets and at_s < self._buckets[-1][0] + _BUCKET_S:
            start_s, least = self._buckets[-1]
            if value < least:
                self._buckets[-1] = (start_s, value)
        else:
            self._buckets.append((at_s, value))
        while self._buckets[0][0] < at_s - _LAG_SPAN_S:
            self._buckets.popleft()
        if self.value is None or value < self.value or self._buckets[-1][0] == at_s:
            self.value = min(least for _, least in self._buckets)


class SenderClock:
    """All tracks of one sender. Make one :class:`TrackClock` for each by :meth:`track`."""

    def __init__(self) -> None:
        self._tracks: list[TrackClock] = []

    def track(self, rate: int, delay_s: float = 0.0) -> TrackClock:
        """A track of ``rate`` RTP units a second; its decoder delays the content by ``delay_s``."""
        track = TrackClock(self, rate, delay_s)
        self._tracks.append(track)
        return track

    def _offset_s(self) -> float | None:
        """Session clock minus the sender's wall clock, as of the fastest packet."""
        offsets = [track._lag_minus_skew() for track in self._tracks]
        return min((o for o in offsets if o is not None), default=None)

    def _forget_reports(self) -> None:
        for track in self._tracks:
            track._skew = SlidingMinimum()


class TrackClock:
    """Maps the (unwrapped) RTP times of one track to the session clock; see the module's text."""

    def __init__(self, sender: SenderClock, rate: int, delay_s: float) -> None:
        self._sender = sender
        self._rate = rate
        self._delay_s = delay_s
        self._lag = SlidingMinimum()
        self._skew = SlidingMinimum()

    @property
    def reported(self) -> bool:
        """Whether the mapping rests on a sender report."""
        return self._skew.value is not None

    def arrive(self, rtp: int, at_s: float) -> None:
        """A packet of RTP time ``rtp`` arrived at ``at_s`` on the session clock."""
        lag_s = at_s - rtp / self._rate
        least_s = self._lag.value
        if least_s is not None and not -_EARLY_S < lag_s - least_s < _LATE_S:
            self._lag, self._skew = SlidingMinimum(), SlidingMinimum()
        self._lag.add(lag_s, at_s)

    def report(self, ntp_s: float, rtp: int) -> None:
        """A sender report: RTP time ``rtp`` was at ``ntp_s`` on the sender's wall clock.

        Reports with no time in them (a sender that has not sent yet) are ignored. When the sender's
        wall clock was set anew, what the other tracks reported before is void.
        """
        if ntp_s <= 0:
            return
        skew_s = ntp_s - rtp / self._rate
        if self._skew.value is not None and abs(skew_s - self._skew.value) > _STEP_S:
            self._sender._forget_reports()
        self._skew.add(skew_s, ntp_s)

    def seconds(self, rtp: int) -> float:
        """The capture time of ``rtp`` on the session clock; never later than its arrival.

        Raises ValueError before the first :meth:`arrive`.
        """
        lag_s = self._lag.value
        if lag_s is None:
            raise ValueError("no packet of this track has arrived yet")
        return rtp / self._rate + lag_s - self._correction_s() - self._delay_s

    def _correction_s(self) -> float:
        """How much earlier than by its own fastest packet the track is, by the reports."""
        own_s, offset_s = self._lag_minus_skew(), self._sender._offset_s()
        if own_s is None or offset_s is None or own_s - offset_s > _CORRECTION_MAX_S:
            return 0.0
        return own_s - offset_s

    def _lag_minus_skew(self) -> float | None:
        lag_s, skew_s = self._lag.value, self._skew.value
        return None if lag_s is None or skew_s is None else lag_s - skew_s


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a block of sound goes: ``count`` samples from sample ``start`` of the session on.

    ``count`` differs from the samples given where the block is to be stretched to follow a drift.
    """

    start: int
    count: int


class SoundPlacer:
    """Lays blocks of sound on the session's sample grid, 16 kHz.

    Blocks that follow each other in their own time line follow each other here without a seam. As
    the sender's sample clock and the session clock drift apart, blocks are stretched or shrunk by
    up to 1 % (inaudible, and far above the drift of any sound card). An error above ``JUMP_S`` is
    no drift (the first sender report has corrected the track, say): the block goes where it
    belongs, leaving a gap or an overlap.
    """

    JUMP_S = 0.030
    DEADBAND_S = 0.001
    STRETCH = 0.01

    def __init__(self) -> None:
        self._next: int | None = None

    def place(self, at_s: float, count: int) -> Placed:
        """Places a block of ``count`` samples whose first was captured at ``at_s``."""
        wanted = round(at_s * SAMPLE_RATE)
        start = wanted if self._next is None else self._next
        error = wanted - start  # > 0: the session clock is ahead of the samples laid so far
        if abs(error) > self.JUMP_S * SAMPLE_RATE:
            start, error = wanted, 0
        most = math.floor(count * self.STRETCH)
        stretch = 0
        if abs(error) > self.DEADBAND_S * SAMPLE_RATE:
            stretch = max(-most, min(most, error))
        self._next = start + count + stretch
        return Placed(start, count + stretch)

    def skip(self, seconds: float) -> None:
        """The track's own time line leaves out ``seconds`` here (lost, or silence not sent)."""
        if self._next is not None:
            self._next += round(seconds * SAMPLE_RATE)

    def restart(self) -> None:
        """The next block starts anew, wherever its time says."""
        self._next = None
