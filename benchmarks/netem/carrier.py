"""The process of a link: datagrams in at its ports, through a `Direction` each way, and out again.

It is told what to do by lines of JSON on its standard input, answers each with a line on its
standard output, and ends with its input, hence with whoever started it, however that ends.

To every destination leads an entrance, a port of its own. What comes from a new sender at an
entrance gets an exit, by which the destination answers it, as a NAT would do; all share the two
directions, as all share a line.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.netem.model import Bursts, Direction, Faults

MOST_ENTRANCES = 16
MOST_EXITS = 64
_LARGEST = 2048
_BATCH = 64
"""Datagrams read from one socket before what is due is sent."""
_BUFFER = 1 << 20
_LATENESSES = 10_000
_IDLE_S = 1.0
_PRIORITY = 1
"""Of the real-time ones the lowest: before all that is not of their kind."""

Address = tuple[str, int]
Send = Callable[[bytes], object]


@dataclass
class _Entrance:
    outer: socket.socket
    destination: Address
    exits: dict[Address, socket.socket] = field(default_factory=dict)


class Carrier:
    """All of a link's sockets, and what is under way."""

    def __init__(self, seed: int) -> None:
        """Nothing goes wrong yet."""
        self._directions = {
            "up": Direction(Faults(), 2 * seed),
            "down": Direction(Faults(), 2 * seed + 1),
        }
        self._entrances: list[_Entrance] = []
        self._received: dict[socket.socket, Callable[[], None]] = {}
        self._under_way: list[tuple[float, int, Send, bytes]] = []
        self._number = 0
        self._late_s: deque[float] = deque(maxlen=_LATENESSES)
        self._passed = {"up": 0, "down": 0}

    def run(self) -> None:
        """Until standard input ends."""
        while True:
            # Not epoll, whose timeouts are whole milliseconds.
            ready: list[Any]
            ready, _, _ = select.select([sys.stdin, *self._received], [], [], self._wait_s())
            for each in ready:
                if each is not sys.stdin:
                    self._received[each]()
                elif not self._obey():
                    return
            self._send_due()

    def _wait_s(self) -> float:
        if not self._under_way:
            return _IDLE_S
        return min(_IDLE_S, max(0.0, self._under_way[0][0] - time.monotonic()))

    def _send_due(self) -> None:
        now_s = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now_s:
            due_s, _, send, data = heapq.heappop(self._under_way)
            self._late_s.append(now_s - due_s)
            with suppress(OSError):  # an end that has gone
                send(data)

    def _obey(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        command = json.loads(line)
        try:
            answer = getattr(self, f"_do_{command.pop('do')}")(**command)
        except (OSError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
        return True

    def _do_open(self, address: str, port: int) -> dict[str, Any]:
        """A way to a destination; gives the entrance's address and port."""
        if len(self._entrances) == MOST_ENTRANCES:
            raise ValueError(f"a link leads to at most {MOST_ENTRANCES} destinations")
        outer = _bound(address)
        entrance = _Entrance(outer, (address, port))
        self._entrances.append(entrance)
        self._received[outer] = lambda: self._from_client(entrance)
        return {"port": outer.getsockname()[1]}

    def _do_change(self, **directions: dict[str, Any] | None) -> dict[str, Any]:
        for name, values in directions.items():
            if values is not None:
                self._directions[name].faults = as_faults(values)
        return {}

    def _do_cut(self, seconds: float) -> dict[str, Any]:
        now_s = time.monotonic()
        for each in self._directions.values():
            each.cut(now_s + seconds)
        return {"began_s": now_s, "ended_s": now_s + seconds}

    def _do_count(self) -> dict[str, Any]:
        counts = {
            name: {**asdict(each.fates), "passed": self._passed[name]}
            for name, each in self._directions.items()
        }
        late_ms = [round(1000 * each, 3) for each in self._late_s]
        self._late_s.clear()
        return {**counts, "late_ms": late_ms, "cpu_s": time.process_time()}

    def _from_client(self, entrance: _Entrance) -> None:
        for _ in range(_BATCH):
            try:
                data, sender = entrance.outer.recvfrom(_LARGEST)
            except OSError:  # all is read, or an answer told that nobody is there
                return
            way = entrance.exits.get(sender) or self._exit(entrance, sender)
            if way is not None:
                self._take("up", way.send, data)

    def _exit(self, entrance: _Entrance, sender: Address) -> socket.socket | None:
        if sum(len(each.exits) for each in self._entrances) == MOST_EXITS:
            return None
        made = _bound(entrance.destination[0])
        made.connect(entrance.destination)
        entrance.exits[sender] = made

        def back(data: bytes) -> int:
            return entrance.outer.sendto(data, sender)

        self._received[made] = lambda: self._from_server(made, back)
        return made

    def _from_server(self, way: socket.socket, back: Send) -> None:
        for _ in range(_BATCH):
            try:
                data = way.recv(_LARGEST)
            except OSError:
                return
            self._take("down", back, data)

    def _take(self, direction: str, send: Send, data: bytes) -> None:
        now_s = time.monotonic()
        for due_s in self._directions[direction].take(len(data), now_s):
            self._number += 1
            self._passed[direction] += 1
            heapq.heappush(self._under_way, (due_s, self._number, send, data))


def as_faults(values: dict[str, Any]) -> Faults:
    """What `dataclasses.asdict` made of faults."""
    bursts = values["bursts"]
    return Faults(**{**values, "bursts": None if bursts is None else Bursts(**bursts)})


def _bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return made


if __name__ == "__main__":
    with suppress(PermissionError):  # a late link is another fault than the one asked for
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    Carrier(int(sys.argv[1])).run()
