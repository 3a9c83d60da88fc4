"""Follow what happens in the newest session, over cuts of the network, until it ends."""

import asyncio

from echosieve import EchoSieve, wire


async def main() -> None:
    async with EchoSieve() as client:
        live = await client.sessions.list(state="live")
        if not live:
            raise SystemExit("nobody streams: begin with `echosieve watch clip.webm`, or the page")
        session = live[-1]
        async for event in session.events(after=0):
            match event:
                case wire.WindowIngested():
                    kept = event.kept.kept.video + event.kept.kept.audio
                    print(f"{event.start_s:.0f}-{event.end_s:.0f} s: {kept} tokens kept")
                case wire.AnswerDone():
                    print(f"{event.answer.question!r}: {event.answer.text}")
                case _:
                    print(event.type)


asyncio.run(main())
