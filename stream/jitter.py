"""From RTP packets in any order to encoded frames in order, as soon as they are complete. Pure.

Two buffers that stand in for aiortc's (same ``add``). Theirs give out a picture with the first
packet of the next one, hence a frame later than need be (half a second, with two frames a second),
and a sound four packets late; after a loss both hold back everything for seconds. These give out a
picture with its last packet, a sound at once, and everything that waited as soon as it may go. What
is lost is waited for, for a little while: ``WAIT_PACKETS`` later packets of sound, ``WAIT_S``
seconds of pictures; asking for it again is the business of the layer above.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from stream.clock import Unwrapper

_RESTART = 1000  # a sequence number this far from the one expected belongs to a new stream


class FrameBuffer(ABC):
    """Packets by their extended sequence numbers, from ``_next`` on, the first not given out."""

    NEEDS_KEYFRAME: ClassVar[bool]  # whether what follows a loss is of no use without one

    def __init__(self) -> None:
        self.lost = 0  # packets that were given up
        self._packets: dict[int, Any] = {}
        self._unwrapper = Unwrapper(bits=16)
        self._next = 0
        self._missing = 0  # no frame ends before this number, the first that has not come
        self._begun = False

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Takes a packet (with its payload in ``_data``): whether a key frame has to be asked for,
        and the next frame if one is complete. There may be more of them: see :meth:`frames`."""
        number = self._unwrapper.map(packet.sequence_number)
        cut = self._begun and abs(number - self._next) > _RESTART
        if cut or not self._begun:
            self._packets.clear()
            self._next, self._missing, self._begun = number, number, True
        if number >= self._next:
            self._packets.setdefault(number, packet)
        lost = self.lost
        frame = next(self.frames(), None)
        return self.NEEDS_KEYFRAME and (cut or self.lost > lost), frame

    def frames(self) -> Iterator[JitterFrame]:
        """Every frame that is complete and whose turn it is; each is given out once."""
        while self._packets:
            run = self._complete()
            if run:
                self._move_to(self._next + len(run))
                data = b"".join(packet._data for packet in run)
                if data:  # packets without a payload only fill the line
                    yield JitterFrame(data, run[0].timestamp)
            elif self._overdue():
                self._give_up()
            else:
                return

    def _move_to(self, number: int) -> None:
        for passed in range(self._next, number):
            self._packets.pop(passed, None)
        self._next = number

    @abstractmethod
    def _complete(self) -> list[Any]:
        """The packets of the frame whose turn it is; empty where it is not complete."""

    @abstractmethod
    def _overdue(self) -> bool:
        """Whether what is missing has been waited for long enough."""

    @abstractmethod
    def _give_up(self) -> None:
        """Moves on past what is missing."""


class SoundBuffer(FrameBuffer):
    """One packet is one frame."""

    NEEDS_KEYFRAME = False
    WAIT_PACKETS = 3

    def _complete(self) -> list[Any]:
        packet = self._packets.get(self._next)
        return [] if packet is None else [packet]

    def _overdue(self) -> bool:
        return len(self._packets) > self.WAIT_PACKETS

    def _give_up(self) -> None:
        first = min(self._packets)
        self.lost += first - self._next
        self._move_to(first)


class PictureBuffer(FrameBuffer):
    """The packets of one time stamp are one frame; the last of them has the marker bit."""

    NEEDS_KEYFRAME = True
    WAIT_S = 0.5
    _RATE = 90_000

    def _complete(self) -> list[Any]:
        end = max(self._missing, self._next)
        while (packet := self._packets.get(end)) is not None:
            if packet.timestamp != self._packets[self._next].timestamp:
                return self._run(end)  # a sender that sets no markers
            end += 1
            if packet.marker:
                return self._run(end)
        self._missing = end
        return []

    def _run(self, end: int) -> list[Any]:
        return [self._packets[number] for number in range(self._next, end)]

    def _overdue(self) -> bool:
        oldest, newest = self._packets[min(self._packets)], self._packets[max(self._packets)]
        waited = int(newest.timestamp - oldest.timestamp) & 0xFFFFFFFF
        return self.WAIT_S * self._RATE < waited < 1 << 31

    def _give_up(self) -> None:
        """Drops the frame that is not complete and the one in which the line goes on: whether its
        beginning is there cannot be told."""
        later = sorted(number for number in self._packets if number > self._missing)
        cut = self._packets[later[0]].timestamp
        whole = (n for n in later if self._packets[n].timestamp != cut)
        self.lost += later[0] - self._missing
        self._move_to(next(whole, later[-1] + 1))
