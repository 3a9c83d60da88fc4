"""Whether the receiver is still there: what it reports of the media that it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiortc import RTCRtpSender

SILENCE_S = 8.0  # aiortc reports every 0.5 to 1.5 s; RFC 3550 asks for about every 5 s
_LOOK_S = 0.25


class Receipts:
    """The receiver reports about the tracks of one connection. RFC 3550, section 6.4.2.

    ICE asks for consent too (RFC 7675), but takes half a minute to miss a receiver that was killed.
    """

    def __init__(self, senders: Sequence[RTCRtpSender]) -> None:
        self._senders = senders

    async def silence(self) -> None:
        """Until nothing was reported for ``SILENCE_S`` of what is being sent.

        Waits are counted, not time: while this process was held up, nobody listened.
        """
        silent_s, known = 0.0, await self._known()
        while silent_s < SILENCE_S:
            await asyncio.sleep(_LOOK_S)
            silent_s += _LOOK_S
            newest = await self._known()
            if newest != known or not await self._anything_sent():
                silent_s, known = 0.0, newest

    async def another(self) -> None:
        """Until there is a report more than now; where nothing was sent there is none to come."""
        known = await self._known()
        while await self._anything_sent():
            await asyncio.sleep(_LOOK_S)
            if await self._known() != known:
                return

    async def _known(self) -> list[object]:
        """When the newest report of each track came."""
        return [entry.timestamp for entry in await self._stats("remote-inbound-rtp")]

    async def _anything_sent(self) -> bool:
        return any(entry.packetsSent for entry in await self._stats("outbound-rtp"))

    async def _stats(self, kind: str) -> list[Any]:
        reports = [await sender.getStats() for sender in self._senders]
        return [entry for report in reports for entry in report.values() if entry.type == kind]
