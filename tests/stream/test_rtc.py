"""A peer from offer to close, over real connections to this same process."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace

import aioice.ice
import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.publish import Sending
from stream.receive import ReceiveConfig, Reception
from stream.rtc import Channel, ChannelClosedError, Peer, PeerConfig, SdpError, UnsupportedMedia
from stream.source import SceneSource
from stream.window import SAMPLE_RATE, Frame, Item, Sound, Window
from stream.windower import Windower
from stream.world.plot import FirstWorld
from stream.world.scene import Scene
from tests.stream.media import FlashAndBeep, loopback

FAST = PeerConfig(receive=ReceiveConfig(fps=20))


async def collect(peer: Peer) -> list[Item]:
    return [item async for item in peer]


async def received(source: FlashAndBeep, config: PeerConfig | None = None) -> list[Item]:
    """All items of a source that is sent to its end."""
    async with loopback(source, config) as (sending, peer):
        reading = asyncio.create_task(collect(peer))
        await sending.finished()
        await peer.close()
        return await reading


def flashes(items: list[Item]) -> list[float]:
    frames = [item for item in items if isinstance(item, Frame)]
    bright = [(frame.time_s, frame.rgb.mean() > 128) for frame in frames]
    return [b[0] for a, b in pairwise(bright) if b[1] and not a[1]]


def beeps(items: list[Item]) -> list[float]:
    found, last_s = [], -1.0
    for sound in (item for item in items if isinstance(item, Sound)):
        loud = np.flatnonzero(np.abs(sound.samples) > 0.2)
        if len(loud):
            if sound.start_s + loud[0] / SAMPLE_RATE - last_s > 0.5:
                found.append(sound.start_s + loud[0] / SAMPLE_RATE)
            last_s = sound.start_s + loud[-1] / SAMPLE_RATE
    return found


def offsets(items: list[Item], after_s: float) -> list[float]:
    """By how much each flash is later than its beep."""
    pairs = [(f, b) for f in flashes(items) for b in beeps(items) if abs(f - b) < 0.5]
    return [f - b for f, b in pairs if f > after_s]


def test_flash_and_beep_land_together_although_the_pictures_are_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attach = Reception.attach

    def attach_behind_a_slow_network(self: Reception, receiver: SimpleNamespace) -> None:
        attach(self, receiver)
        if receiver.track.kind == "video":
            handle, loop = receiver._handle_rtp_packet, asyncio.get_running_loop()

            async def later(packet: object, arrival_time_ms: int) -> None:
                arrive = lambda: loop.create_task(handle(packet, arrival_time_ms + 150))  # noqa: E731
                loop.call_later(0.15, arrive)

            receiver._handle_rtp_packet = later

    monkeypatch.setattr(Reception, "attach", attach_behind_a_slow_network)
    # aiortc sends its first reports after 0.5 to 1.5 s.
    items = asyncio.run(received(FlashAndBeep(5.0), FAST))
    late = offsets(items, after_s=2.5)
    assert len(late) >= 2
    assert max(abs(offset_s) for offset_s in late) < 0.020


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_scene_comes_out_as_windows_with_the_right_second_in_them(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    scene = Scene(5, FirstWorld(sounds=1.0))

    async def run() -> list[Window]:
        windower, windows = Windower(), []
        async with loopback(SceneSource(scene, 6.2)) as (sending, peer):
            reading = asyncio.create_task(collect(peer))
            await sending.finished()
            await peer.close()
            for item in await reading:
                windower.push(item)
                windower.advance(item.time_s if isinstance(item, Frame) else item.start_s)
                while (window := windower.pop()) is not None:
                    windows.append(window)
        return windows

    with asyncio.Runner(loop_factory=new_loop) as runner:
        windows = runner.run(run())
    assert [w.index for w in windows] == [0, 1, 2]
    began_s = assert_sounds(windows, scene)
    for window in windows:
        for grid in window.grids:
            for i, pixels in enumerate(grid.pixels):
                assert_shows(pixels, scene, grid.time_s + i * 0.5 - began_s)
    assert windows[1].gaps == windows[2].gaps == ()


def assert_sounds(windows: list[Window], scene: Scene) -> float:
    """That the windows sound like the scene, and when it began on the session clock.

    What is compared is the loudness of every 10 ms: the first reports move the sound to its place,
    and small moves are made by stretching it.
    """

    def loudness(samples: np.ndarray) -> np.ndarray:
        return np.abs(samples.reshape(-1, 160)).mean(1)

    heard = loudness(np.concatenate([window.samples for window in windows]))
    truth = loudness(scene.sound(0.0, 160 * len(heard)))
    fits = [np.corrcoef(heard[d:], truth[: len(heard) - d])[0, 1] for d in range(100)]
    assert max(fits) > 0.8
    return int(np.argmax(fits)) / 100


def assert_shows(pixels: np.ndarray, scene: Scene, at_s: float) -> None:
    """That the picture is the scene's of about ``at_s``: before the first reports, pictures are
    as late as a busy machine's encoder made them."""

    def difference(time_s: float) -> float:
        return float(np.abs(pixels - scene.frame(max(0.0, time_s), 336).astype(int)).mean())

    near = min(difference(at_s + d) for d in np.arange(-0.2, 0.31, 0.02))
    assert near < 8
    others = {segment.index: segment for segment in scene.segments(0.0, 12.0)}
    shown = {scene.segment_at(max(0.0, at_s + d)).index for d in (-0.2, 0.3)}
    for index, segment in others.items():
        if index not in shown:
            assert difference(segment.start_s + 0.7) > near


async def test_sound_only_and_pictures_only_are_ordinary() -> None:
    items = await received(FlashAndBeep(1.2, has_video=False))
    assert {type(item) for item in items} == {Sound}
    items = await received(FlashAndBeep(1.2, has_audio=False), FAST)
    assert {type(item) for item in items} == {Frame}
    assert len(flashes(items)) == 1


async def test_only_the_frames_of_the_ticks_are_converted_and_only_to_the_size_wanted() -> None:
    config = PeerConfig(receive=ReceiveConfig(fps=2, max_side=32))
    items = await received(FlashAndBeep(1.6, has_audio=False), config)
    ticks = [int(item.time_s * 2) for item in items]
    assert len(ticks) in (3, 4)
    assert len(set(ticks)) == len(ticks)
    assert {item.rgb.shape for item in items} == {(32, 32, 3)}


async def test_a_peer_that_nobody_reads_keeps_a_bounded_queue() -> None:
    config = PeerConfig(receive=ReceiveConfig(fps=20, unread_bytes=200_000))
    async with loopback(FlashAndBeep(1.5), config) as (sending, peer):
        await sending.finished()
        await peer.close()
        items = await collect(peer)
        assert peer.counts.dropped_unread > 0
        assert (
            sum(i.rgb.nbytes if isinstance(i, Frame) else i.samples.nbytes for i in items)
            <= 200_000
        )


async def test_messages_go_both_ways_over_the_data_channel() -> None:
    async with loopback(FlashAndBeep(30.0), with_channel=True) as (sending, peer):
        await sending.channel.send("how many circles?")
        async for message in peer.channel:
            await peer.channel.send(f"you asked: {message}")
            break
        assert await anext(aiter(sending.channel)) == "you asked: how many circles?"
        await peer.close()
        with pytest.raises(ChannelClosedError):
            await peer.channel.send("anyone?")
        assert [message async for message in peer.channel] == []


async def test_when_the_sender_leaves_the_peer_closes_by_itself() -> None:
    async with loopback(FlashAndBeep(30.0)) as (sending, peer):
        await sending.close()
        assert await peer.closed() == "remote"


async def test_a_sender_that_vanishes_is_noticed() -> None:
    async with loopback(FlashAndBeep(30.0), PeerConfig(silence_s=0.5)) as (sending, peer):
        for transceiver in sending._connection.pc.getTransceivers():
            transceiver.sender.transport.transport._send = unsent
        assert await peer.closed() == "silent"


async def test_a_receiver_that_was_held_up_does_not_blame_the_sender() -> None:
    async with loopback(FlashAndBeep(30.0), PeerConfig(silence_s=0.5)) as (_, peer):
        for _ in range(3):
            time.sleep(0.7)  # noqa: ASYNC251  as when the machine slept
            await asyncio.sleep(0.2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.closed(), 0.5)


async def test_a_sender_that_never_answers_consent_checks_is_heard_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)  # of 0.5 s each
    async with loopback(FlashAndBeep(30.0)) as (sending, peer):
        for transceiver in sending._connection.pc.getTransceivers():
            transceiver.sender.transport.transport._connection.request_received = ignored
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.closed(), 1.6)
        assert peer._connection.pc.connectionState == "connected"


def ignored(*request: object) -> None:
    """A STUN request that is not answered."""


async def unsent(data: bytes) -> None:
    """A cable that has been pulled."""


async def offer_of(source: FlashAndBeep) -> str:
    sending = Sending(source, with_channel=True)
    offer = await sending.offer()
    await sending.close()
    return offer


async def test_an_offer_that_never_connects_runs_out_of_time() -> None:
    peer, _ = await Peer.answer(await offer_of(FlashAndBeep(1.0)), config=PeerConfig(connect_s=0.3))
    assert not await peer.connected()
    assert await peer.closed() == "timeout"


async def test_close_may_come_at_any_time_and_any_number_of_times() -> None:
    peer, _ = await Peer.answer(await offer_of(FlashAndBeep(1.0)))
    await asyncio.gather(peer.close(), peer.close())
    await peer.close()
    assert await peer.closed() == "local"
    assert await collect(peer) == []
    for wait_s in (0.0, 0.01, 0.03, 0.06):
        sending = Sending(FlashAndBeep(1.0), with_channel=True)
        peer, answer = await Peer.answer(await sending.offer())
        await sending.accept(answer)
        await asyncio.sleep(wait_s)
        await peer.close()
        await sending.close()


async def test_the_answer_has_what_a_whip_client_needs() -> None:
    peer, answer = await Peer.answer(await offer_of(FlashAndBeep(1.0)))
    await peer.close()
    assert answer.count("a=recvonly") == 2
    assert "a=candidate:" in answer
    assert "opus" in answer
    assert "VP8" in answer
    assert "PCMU" not in answer
    assert len(answer) < 8192  # what ffmpeg reads at most


async def test_an_offer_that_cannot_be_used_is_refused_and_leaves_nothing_behind() -> None:
    with pytest.raises(SdpError):
        await Peer.answer("v=0\r\n")
    offer = await offer_of(FlashAndBeep(1.0))
    with pytest.raises(UnsupportedMedia, match="Opus"):
        await Peer.answer(offer.replace("opus", "speex"))
    with pytest.raises(SdpError, match="malformed line 'a=ssrc:x"):
        await Peer.answer(offer.replace("a=ssrc:", "a=ssrc:x"))
    with pytest.raises(SdpError, match=r"does not accept this offer \(ValueError"):
        await Peer.answer(offer.replace("a=rtpmap:96 ", "a=fmtp:96 minptime=x\r\na=rtpmap:96 "))


@settings(max_examples=60)
@given(data=st.data())
def test_mutated_offers_are_answered_or_refused_and_nothing_is_left(data: st.DataObject) -> None:
    async def run() -> None:
        offer = mutated(await offer_of(FlashAndBeep(1.0)), data)
        with suppress(SdpError, UnsupportedMedia):
            peer, _ = await Peer.answer(offer)
            await peer.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not [thread for thread in threading.enumerate() if "decoder" in thread.name]

    asyncio.run(run())


def mutated(offer: str, data: st.DataObject) -> str:
    """One to four lines deleted, doubled, cut or with digits replaced."""
    lines = offer.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        i = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["delete", "double", "cut", "digit", "character"]))
        if kind == "delete":
            del lines[i]
        elif kind == "double":
            lines.insert(i, data.draw(st.sampled_from(lines)))
        elif kind == "cut":
            lines[i] = lines[i][: data.draw(st.integers(0, len(lines[i])))]
        elif kind == "digit":
            other = data.draw(st.sampled_from(["", "x", "²", "٩", "-1", "9" * 5000]))
            lines[i] = re.sub("[0-9]+", other, lines[i], count=data.draw(st.integers(0, 3)))
        else:
            old, new = data.draw(st.sampled_from(":= /")), data.draw(st.characters())
            lines[i] = lines[i].replace(old, new)
    return "\r\n".join(lines)


class FakeDataChannel:
    """Enough of aiortc's data channel: open, with a given amount waiting."""

    readyState = "open"  # noqa: N815
    bufferedAmount = 0  # noqa: N815

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed = False
        self.handlers: dict[str, Callable[..., None]] = {}

    def on(self, event: str, handler: Callable[..., None]) -> None:
        self.handlers[event] = handler

    def send(self, text: str) -> None:
        self.sent.append(text)

    def close(self) -> None:
        self.closed = True


async def test_a_congested_channel_makes_the_sender_wait() -> None:
    channel, raw = Channel(), FakeDataChannel()
    channel.bind(raw)
    raw.bufferedAmount = Channel.HIGH_WATER_BYTES + 1
    sending = asyncio.create_task(channel.send("hello"))
    await asyncio.sleep(0.01)
    assert raw.sent == []
    raw.bufferedAmount = 0
    raw.handlers["bufferedamountlow"]()
    await sending
    assert raw.sent == ["hello"]


async def test_messages_that_are_too_long_or_no_text_come_as_such() -> None:
    """Who reads them has to answer them."""
    channel, raw = Channel(), FakeDataChannel()
    channel.bind(raw)
    most = Channel.MAX_MESSAGE_CHARS
    for message in (b"bytes", "x" * (most + 1_000), b"x" * (most + 1_000)):
        raw.handlers["message"](message)
    raw.handlers["close"]()
    assert [m async for m in channel] == [b"bytes", "x" * (most + 1), b"x" * (most + 1)]


async def test_messages_that_are_too_many_are_dropped_and_counted() -> None:
    channel, raw = Channel(), FakeDataChannel()
    channel.bind(raw)
    for i in range(Channel.MAX_MESSAGES + 5):
        raw.handlers["message"](str(i))
    raw.handlers["close"]()
    assert [m async for m in channel] == [str(i) for i in range(Channel.MAX_MESSAGES)]
    assert channel.dropped == 5


async def test_only_the_first_data_channel_counts() -> None:
    channel, first, second = Channel(), FakeDataChannel(), FakeDataChannel()
    channel.bind(first)
    channel.bind(second)
    assert not first.closed
    assert second.closed


async def test_a_send_that_waits_for_the_channel_to_open_ends_when_it_is_closed() -> None:
    channel = Channel()
    sending = asyncio.create_task(channel.send("hello"))
    await asyncio.sleep(0)
    channel.close()
    with pytest.raises(ChannelClosedError):
        await sending
