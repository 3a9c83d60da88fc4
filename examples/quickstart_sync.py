"""The same without `await`."""

from echosieve import SyncEchoSieve

with SyncEchoSieve() as client, client.publish("clip.webm") as live:
    for delta in live.session.ask("what do you see now?"):
        print(delta, end="", flush=True)
print()
