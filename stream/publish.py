"""Sends a source over WebRTC, in real time: to a WHIP endpoint (RFC 9725), or to any peer.

publication = await publish(FileSource("talk.webm"), "http://localhost:8000/whip/room")
await publication.finished()
await publication.close()
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from fractions import Fraction
from functools import partial
from typing import Any
from urllib.parse import urljoin

import av
import httpx
import numpy as np
from aiortc import RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from stream.connection import Connection, Loopback, report_capture_times
from stream.receipts import SILENCE_S, Receipts
from stream.rtc import Channel
from stream.source import Source
from stream.window import SAMPLE_RATE, Frame, Item, Sound

_AHEAD_S = 0.2  # how much of a track may wait for its encoder
_TAIL_S = 0.2  # sent after the last item, to push it out of the buffers of encoder and receiver
_CHUNK = 320  # samples: 20 ms, what the encoder takes at a time
_VIDEO_RATE = 90_000
_RTP_RATE = {"audio": 48_000, "video": _VIDEO_RATE}


class PublishError(Exception):
    """The other side did not take the stream; ``status`` is its HTTP status, 0 without one."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Sending:
    """A peer connection that sends a source; the signalling is the caller's.

    The source's clock starts when the connection stands. Use: :meth:`offer`, :meth:`accept`,
    :meth:`finished`, :meth:`close`.
    """

    def __init__(
        self, source: Source, *, with_channel: bool = False, loopback: Loopback = "auto"
    ) -> None:
        self.channel = Channel()
        self._source = source
        self._with_channel = with_channel
        self._loopback = loopback
        self._connection = Connection()
        self._outlets = {
            kind: _Outlet(kind)
            for kind, sent in (("audio", source.has_audio), ("video", source.has_video))
            if sent
        }
        self._receipts = Receipts([])
        self._stands = asyncio.Event()
        self._broken = asyncio.Event()  # it stands no more, or never will
        self._pump: asyncio.Task[None] | None = None
        self._began_unix_s = 0.0

    async def offer(self) -> str:
        """The SDP offer, with all candidates."""
        pc = self._connection.pc
        for outlet in self._outlets.values():
            sender = pc.addTransceiver(outlet, direction="sendonly").sender
            report_capture_times(sender, partial(self._captured_s, _RTP_RATE[outlet.kind]))
        self._receipts = Receipts(pc.getSenders())
        if self._with_channel:
            self.channel.bind(pc.createDataChannel("echosieve"))
        pc.on("connectionstatechange", self._state_changed)
        self._connection.prepare_ice(self._loopback)
        await pc.setLocalDescription(await pc.createOffer())
        return str(pc.localDescription.sdp)

    async def accept(self, answer_sdp: str) -> None:
        """Takes the SDP answer and starts to send. Raises PublishError where it is unusable."""
        answer = RTCSessionDescription(sdp=answer_sdp, type="answer")
        try:
            await self._connection.pc.setRemoteDescription(answer)
        except Exception as error:  # aiortc's parser raises whatever its code runs into
            raise PublishError(f"the answer cannot be used: {error!r}") from error
        self._pump = asyncio.create_task(self._send())

    async def finished(self) -> None:
        """Waits until the source has ended and the receiver has reported after its last item.

        Raises PublishError where the connection failed, was closed by the other side or fell silent
        before, and whatever the source raised.
        """
        if self._pump is None:
            raise PublishError("nothing is being sent; accept an answer first")
        await asyncio.shield(self._pump)

    async def close(self) -> None:
        """Stops sending; may be called at any time, any number of times."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        for outlet in self._outlets.values():
            outlet.stop()
        self.channel.close()
        await self._connection.close()

    def _state_changed(self) -> None:
        state = self._connection.pc.connectionState
        if state == "connected":
            self._stands.set()
        elif state in ("failed", "closed"):
            self._broken.set()

    async def _send(self) -> None:
        delivery = asyncio.create_task(self._deliver())
        losses = {asyncio.create_task(self._break()), asyncio.create_task(self._fall_silent())}
        try:
            done, _ = await asyncio.wait({delivery, *losses}, return_when=asyncio.FIRST_COMPLETED)
            await (delivery if delivery in done else done.pop())  # a loss raises
        finally:
            for task in (delivery, *losses):
                task.cancel()
            await asyncio.gather(delivery, *losses, return_exceptions=True)

    async def _deliver(self) -> None:
        await self._stands.wait()
        began_s, self._began_unix_s = time.monotonic(), time.time()
        async for item in _with_tail(self._source):
            time_s = item.time_s if isinstance(item, Frame) else item.start_s
            await asyncio.sleep(max(0.0, began_s + time_s - time.monotonic()))
            await self._outlets["video" if isinstance(item, Frame) else "audio"].put(item)
        await self._receipts.another()

    async def _break(self) -> None:
        await self._broken.wait()
        state = self._connection.pc.connectionState
        raise PublishError(f"the connection to the receiver is {state}")

    async def _fall_silent(self) -> None:
        await self._receipts.silence()
        raise PublishError(f"the receiver is gone: it has reported nothing for {SILENCE_S:g} s")

    def _captured_s(self, rate: int, timestamp: int) -> float:
        return self._began_unix_s + timestamp / rate


class Publication:
    """A stream that is being sent to a WHIP endpoint. Made by :func:`publish`."""

    def __init__(self, sending: Sending, client: httpx.AsyncClient, resource: str) -> None:
        self.resource = resource  # the URL of the WHIP session
        self._sending = sending
        self._client = client

    @property
    def channel(self) -> Channel:
        """The data channel, where one was asked for."""
        return self._sending.channel

    async def finished(self) -> None:
        """Waits until the source has been sent; see :meth:`Sending.finished`."""
        await self._sending.finished()

    async def close(self) -> None:
        """Stops sending and ends the session at the endpoint (DELETE)."""
        try:
            await self._client.delete(self.resource)
        except httpx.HTTPError as error:
            raise PublishError(f"the endpoint could not be told of the end: {error!r}") from error
        finally:
            await self._sending.close()
            await self._client.aclose()


async def publish(
    source: Source,
    url: str,
    *,
    bearer: str | None = None,
    with_channel: bool = False,
    loopback: Loopback = "auto",
) -> Publication:
    """Starts to send ``source`` to the WHIP endpoint ``url``; returns when it was accepted.

    ``bearer``: the token for the Authorization header. Raises PublishError.
    """
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    client = httpx.AsyncClient(headers=headers, timeout=15.0)
    sending = Sending(source, with_channel=with_channel, loopback=loopback)
    try:
        answer = await _post(client, url, await sending.offer())
        await sending.accept(answer.text)
    except BaseException:
        await sending.close()
        await client.aclose()
        raise
    return Publication(sending, client, urljoin(url, answer.headers["Location"]))


async def _post(client: httpx.AsyncClient, url: str, offer: str) -> httpx.Response:
    try:
        answer = await client.post(url, content=offer, headers={"Content-Type": "application/sdp"})
    except httpx.HTTPError as error:
        raise PublishError(f"{url} cannot be reached: {error!r}") from error
    if answer.status_code != 201 or "Location" not in answer.headers:
        text = f"{url} answered {answer.status_code} instead of 201 with a Location: {answer.text}"
        raise PublishError(text, answer.status_code)
    return answer


async def _with_tail(source: Source) -> AsyncIterator[Item]:
    """The source, then its last picture once more and a little silence."""
    frame: Frame | None = None
    sound_end_s: float | None = None
    async for item in source:
        if isinstance(item, Frame):
            frame = item
        else:
            sound_end_s = item.start_s + len(item.samples) / SAMPLE_RATE
        yield item
    if frame is not None:
        yield Frame(frame.time_s + _TAIL_S / 4, frame.rgb)
    if sound_end_s is not None:
        for i in range(round(_TAIL_S * SAMPLE_RATE) // _CHUNK):
            yield Sound(sound_end_s + i * _CHUNK / SAMPLE_RATE, np.zeros(_CHUNK, np.float32))
    await asyncio.sleep(_TAIL_S)


class _Outlet(MediaStreamTrack):
    """A track fed by :meth:`put`, read by aiortc's encoder; its time stamps never go back."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._frames: asyncio.Queue[Any] = asyncio.Queue(maxsize=max(1, round(_AHEAD_S / 0.02)))
        self._next = 0  # the least time stamp to come

    async def recv(self) -> Any:
        """For aiortc: the next frame."""
        if self.readyState != "live":
            raise MediaStreamError
        return await self._frames.get()

    async def put(self, item: Item) -> None:
        """Sends an item; waits while the encoder is behind."""
        if isinstance(item, Frame):
            await self._put_picture(item.rgb, round(item.time_s * _VIDEO_RATE))
        else:
            await self._put_sound(item)

    async def _put_picture(self, rgb: NDArray[np.uint8], pts: int) -> None:
        if pts < self._next:
            return  # at the time of one sent before
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        frame.pts, frame.time_base = pts, Fraction(1, _VIDEO_RATE)
        self._next = pts + 1
        await self._frames.put(frame)

    async def _put_sound(self, sound: Sound) -> None:
        missing = round(sound.start_s * SAMPLE_RATE) - self._next
        samples = sound.samples[max(0, -missing) :]
        await self._put_samples(np.concatenate([np.zeros(max(0, missing), np.float32), samples]))

    async def _put_samples(self, samples: NDArray[np.float32]) -> None:
        """Sends 20 ms at a time, as the encoder takes them."""
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        for start in range(0, len(pcm), _CHUNK):
            piece = np.ascontiguousarray(pcm[None, start : start + _CHUNK])
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            frame.pts, frame.time_base = self._next, Fraction(1, SAMPLE_RATE)
            self._next += piece.shape[1]
            await self._frames.put(frame)
