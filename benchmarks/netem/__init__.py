"""A link with faults between two peers: delay, jitter, loss, bursts, rate, duplicates, outages.

The kernel's own (`tc netem`) needs root and is not built into every kernel. This one needs neither:
it is a process that passes UDP datagrams on, to which a call is led by its descriptions alone, so
that a real browser can be put behind it. What happens to a datagram is decided in `model`, which
knows neither sockets nor clocks; `carrier` is the process, `link` what uses it.
"""

from benchmarks.netem.link import Counts, Cut, Link, LinkFailed
from benchmarks.netem.model import Bursts, Faults

__all__ = ["Bursts", "Counts", "Cut", "Faults", "Link", "LinkFailed"]
