"""What lies between the event loop and the thread that decodes."""

from __future__ import annotations

import threading
import time

import pytest
from aiortc.codecs import get_decoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from stream.decode import DecoderQueue, single_threaded


def test_a_full_decoder_queue_drops_the_oldest_and_asks_for_a_key_frame() -> None:
    ask, handled = threading.Event(), []
    queue = DecoderQueue(3, ask, handled.append)
    for i in range(3):
        queue.put(i)
    assert not ask.is_set()
    queue.put(3)
    assert ask.is_set()
    assert queue.dropped == 1
    thread = threading.Thread(target=queue.get)
    thread.start()
    while len(handled) < 3:
        time.sleep(0.001)
    queue.put(None)
    thread.join()
    assert handled == [1, 2, 3]


def test_the_end_of_a_decoder_queue_comes_before_all_that_waits() -> None:
    handled: list[int] = []
    queue = DecoderQueue(30, threading.Event(), handled.append)
    for i in range(30):
        queue.put(i)
    queue.put(None)
    queue.get()
    assert handled == []


@pytest.mark.parametrize("name", ["H264", "VP8"])
def test_decoders_start_no_threads_of_their_own(name: str) -> None:
    codec = RTCRtpCodecParameters(mimeType=f"video/{name}", clockRate=90_000, payloadType=96)
    assert single_threaded(get_decoder(codec)).codec.thread_count == 1
