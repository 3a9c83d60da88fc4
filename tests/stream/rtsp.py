"""An RTSP server of a few lines (RFC 2326): plays an H.264 clip over TCP, again and again.

It answers OPTIONS, DESCRIBE, SETUP (interleaved) and PLAY, and sends the clip's access units as RTP
(RFC 6184: single NAL units and FU-A) at the pace of their time stamps. `cut` hangs up on everyone.
"""

from __future__ import annotations

import asyncio
import struct
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

RATE = 90_000
PAYLOAD = 96
MTU = 1_200


@dataclass(frozen=True)
class Unit:
    """The NAL units of one picture, and when it is due."""

    time_s: float
    nals: tuple[bytes, ...]


@dataclass
class Server:
    units: list[Unit]
    parameters: tuple[bytes, ...]  # SPS and PPS
    length_s: float
    url: str = ""
    met: int = 0  # players so far
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        playing: asyncio.Task[None] | None = None
        try:
            while request := await request_of(reader):
                method, headers = request
                writer.write(self.reply(method, headers))
                if method == "PLAY":
                    self.met += 1
                    playing = asyncio.create_task(self.play(writer))
                if method == "TEARDOWN":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the player hung up
        finally:
            self._open.discard(writer)
            if playing is not None:
                playing.cancel()
                await asyncio.wait({playing})
            writer.close()

    def reply(self, method: str, headers: dict[str, str]) -> bytes:
        lines = ["RTSP/1.0 200 OK", f"CSeq: {headers['cseq']}", "Session: 1"]
        body = ""
        if method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        if method == "DESCRIBE":
            body = self.sdp()
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        if method == "SETUP":
            lines.append(f"Transport: {headers['transport']}")
        return "\r\n".join([*lines, "", body]).encode()

    def sdp(self) -> str:
        sets = ",".join(b64encode(nal).decode() for nal in self.parameters)
        return "\r\n".join(
            [
                "v=0",
                "o=- 0 0 IN IP4 127.0.0.1",
                "s=clip",
                "c=IN IP4 127.0.0.1",
                "t=0 0",
                f"m=video 0 RTP/AVP {PAYLOAD}",
                f"a=rtpmap:{PAYLOAD} H264/{RATE}",
                f"a=fmtp:{PAYLOAD} packetization-mode=1;sprop-parameter-sets={sets}",
                "a=control:track1",
                "",
            ]
        )

    async def play(self, writer: asyncio.StreamWriter) -> None:
        began_s, sequence, lap = time.monotonic(), 0, 0
        while True:
            for unit in self.units:
                time_s = lap * self.length_s + unit.time_s
                await asyncio.sleep(max(0.0, began_s + time_s - time.monotonic()))
                for packet in packets(unit.nals, round(time_s * RATE), sequence):
                    writer.write(b"$" + struct.pack("!BH", 0, len(packet)) + packet)
                    sequence += 1
                await writer.drain()
            lap += 1


async def request_of(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    """Method and headers; what the player interleaves (receiver reports) is passed over."""
    while (first := await reader.read(1)) == b"$":
        _, size = struct.unpack("!BH", await reader.readexactly(3))
        await reader.readexactly(size)
    if not first:
        return None
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    fields = (line.partition(":") for line in head[1:] if line)
    return head[0].split()[0], {name.lower(): value.strip() for name, _, value in fields}


def packets(nals: tuple[bytes, ...], timestamp: int, sequence: int) -> Iterator[bytes]:
    """RTP packets of one picture; the last one is marked."""
    payloads = [payload for nal in nals for payload in fragments(nal)]
    for i, payload in enumerate(payloads):
        marker = 0x80 if i == len(payloads) - 1 else 0
        place = (sequence + i) & 0xFFFF
        stamp = timestamp & 0xFFFF_FFFF
        yield struct.pack("!BBHII", 0x80, marker | PAYLOAD, place, stamp, 1) + payload


def fragments(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= MTU:
        yield nal
        return
    indicator, kind, body = (nal[0] & 0xE0) | 28, nal[0] & 0x1F, nal[1:]
    for start in range(0, len(body), MTU):
        first = 0x80 if start == 0 else 0
        last = 0x40 if start + MTU >= len(body) else 0
        yield bytes([indicator, first | last | kind]) + body[start : start + MTU]


def units_of(clip: Path) -> list[Unit]:
    """The pictures of a clip in Annex B H.264 (from .ts)."""
    units = []
    with av.open(str(clip)) as container:
        track = container.streams.video[0]
        for packet in container.demux(track):
            if packet.size:
                assert packet.pts is not None
                time_s = float(packet.pts * Fraction(packet.time_base))
                nals = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
                units.append(Unit(time_s, tuple(nal for nal in nals if nal)))
    first_s = units[0].time_s
    return [Unit(unit.time_s - first_s, unit.nals) for unit in units]


@asynccontextmanager
async def rtsp_server(clip: Path, port: int = 0) -> AsyncIterator[Server]:
    """Plays an H.264 clip (.ts) under `url`."""
    units = units_of(clip)
    parameters = tuple(nal for nal in units[0].nals if nal[0] & 0x1F in (7, 8))
    server = Server(units, parameters, units[-1].time_s + 0.1)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port)
    server.url = f"rtsp://127.0.0.1:{listening.sockets[0].getsockname()[1]}/clip"
    try:
        yield server
    finally:
        listening.close()
        server.cut()
        await listening.wait_closed()
        await asyncio.sleep(0.05)  # the handlers see their connections end
