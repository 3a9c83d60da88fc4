"""Send a file (python examples/publish_and_ask.py clip.webm), ask every few seconds until it ends,
and see what each answer rests on."""

import asyncio
import sys

from echosieve import EchoSieve, Publication


async def ask_often(live: Publication) -> None:
    while True:
        answer = await live.session.ask("what do you see now?", conversation="none")
        kept, seen = answer.kept, answer.seen
        print(f"at {answer.asked_s:.1f} s: {answer.text}")
        print(f"  from {kept.video + kept.audio} of {seen.video + seen.audio} tokens")
        await asyncio.sleep(2.0)


async def main(file: str) -> None:
    async with EchoSieve() as client, client.publish(file, room="example") as live:
        await live.session.update(instruction="watch for shapes", retention=0.2)
        asking = asyncio.create_task(ask_often(live))
        await live.finished()
        asking.cancel()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "clip.webm"))
