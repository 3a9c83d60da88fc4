"""Be told when something happens (python examples/standing_query.py clip.webm "a yellow cross
appears"): a standing query on a stream, and its events."""

import asyncio
import sys

from echosieve import EchoSieve, Session, wire


async def tell(session: Session) -> None:
    async for event in session.events():
        match event:
            case wire.WatchEvent(change="new"):
                print(f"{event.started_s:.0f} s: {event.query}: {event.sentence or 'it began'}")
            case wire.WatchEvent(change="end"):
                print(f"{event.ended_s:.0f} s: {event.query}: it is over")


async def main(file: str = "clip.webm", query: str = "a yellow cross appears") -> None:
    async with EchoSieve() as client, client.publish(file) as live:
        watch = await live.session.watches.create(query)
        telling = asyncio.create_task(tell(live.session))
        await live.finished()
        watch = await live.session.watches.get(watch.id)
        print(f"{watch.events} events; the last probability was {watch.probability}")
        telling.cancel()


asyncio.run(main(*sys.argv[1:]))
