"""The shortest way: send a file, ask while it plays, print the answer as it is written."""

import asyncio

from echosieve import EchoSieve


async def main() -> None:
    async with EchoSieve() as client, client.publish("clip.webm") as live:
        async for delta in live.session.ask("what do you see now?"):
            print(delta, end="", flush=True)
    print()


asyncio.run(main())
