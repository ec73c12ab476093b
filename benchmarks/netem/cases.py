"""What may be wrong with a line, by name: the cases that `visavis bench faults` goes through."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.netem.model import Bursts, Faults

DELAY_MS = 20.0
"""Each way, in every case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of bad line, the same both ways."""

    words: str
    faults: Faults
    cut_s: float = 0.0
    """How long nothing passes, once."""


def _line(**faults: float) -> Faults:
    return Faults(delay_ms=DELAY_MS, **faults)  # type: ignore[arg-type]


CALM = _line()
CASES = {
    "none": Case("nothing but the delay", CALM),
    "loss1": Case("1 % lost, singly", _line(loss=0.01)),
    "loss5": Case("5 % lost, singly", _line(loss=0.05)),
    "loss10": Case("10 % lost, singly", _line(loss=0.10)),
    "burst": Case(
        "8 in a row lost, on average, and 200 not", Faults(DELAY_MS, bursts=Bursts(200, 8))
    ),
    "jitter50": Case("up to 50 ms more, in order", _line(jitter_ms=50)),
    "rate800": Case("800 kbit/s after a queue of 300 ms", _line(rate_kbits=800, queue_ms=300)),
    "outage": Case("nothing for 1.5 s", CALM, cut_s=1.5),
}
