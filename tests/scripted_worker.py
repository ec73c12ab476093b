"""A worker process without anything in it: it speaks as one does, and then does what it is told.

    python tests/scripted_worker.py PLAN FILE

`FILE` gets a line with each start. PLAN: `hold` until standard input ends, `linger` beyond that,
`hang` after the first words, `chatter` what is no line of a worker,
`endless` a line that is too long, `die` after the first words,
`leave-once` in good order, the first time.
"""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

STATE = {
    "ready": True,
    "trouble": "",
    "calls": 1,
    "free": 3,
    "why_full": "",
    "step": 0,
    "pictures": 12.5,
    "cpu_s": 0.25,
}


def say(peer: socket.socket, value: object) -> None:
    line = json.dumps(value).encode() + b"\n"
    peer.sendall(b"%x\r\n%b\r\n" % (len(line), line))


def main(plan: str, file: Path) -> None:
    told = json.loads(sys.stdin.buffer.readline())
    with file.open("a") as starts:
        starts.write(json.dumps([told["name"], os.getpid(), sys.argv]) + "\n")
    peer, _ = socket.socket(fileno=told["listener"]).accept()
    peer.recv(1 << 16)
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    if plan == "chatter":
        say(peer, {"state": {"ready": True}})
    if plan == "endless":
        say(peer, "on and on" * 100_000)
    say(peer, {"state": STATE})
    say(peer, {"ended": "a-secret"})
    if plan == "die" or (plan == "leave-once" and file.read_text().count("\n") == 1):
        sys.exit(3 if plan == "die" else 0)
    if plan != "hang":
        threading.Thread(target=tell, args=(peer,), daemon=True).start()
    sys.stdin.buffer.read()
    if plan == "linger":
        time.sleep(60)
    say(peer, {"ended": "the-last"})


def tell(peer: socket.socket) -> None:
    while True:
        time.sleep(0.05)
        say(peer, {"state": STATE})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
