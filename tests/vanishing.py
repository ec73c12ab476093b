"""A client in a process of its own, that a test can stop: offer out, answer in, as hex lines."""

from __future__ import annotations

import asyncio
import sys

from tests.peer import Peer


def say(line: str) -> None:
    """One line to the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Calls, says when connected, and stays."""
    peer = Peer()
    say((await peer.offer()).encode().hex())
    line = await asyncio.to_thread(sys.stdin.readline)
    await peer.accept(bytes.fromhex(line).decode())
    await peer.connected.wait()
    say("connected")
    await asyncio.Event().wait()


asyncio.run(main())
