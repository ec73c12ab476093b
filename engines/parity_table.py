"""The table of who agrees with whom: files and backends go in, a row for each pair comes out.

A network that a backend refuses to load is no disagreement: the choice passes it over and says so.
One that is loaded and gives something else is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engines import parity
from engines.errors import EngineError
from engines.model_card import Precision
from engines.parity import TOLERANCES, Deviation, Tolerance, Trial
from engines.types import Backend, ModelSpec


class Verdict(StrEnum):
    """How a comparison ended."""

    AGREES = "agrees"
    MISSES = "misses"
    REFUSED = "refused"
    """The backend does not load the network."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network, in each precision that it comes in."""

    name: str
    files: Mapping[Precision, ModelSpec]
    trials: Callable[[], Sequence[Trial]]
    """What the reference does; called when the network's turn has come."""
    reference: str
    """What the reference is, in words."""
    itself: str = ""
    """The backend that is the reference with the file in fp32: it agrees with itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """One network in one precision on one backend."""

    network: str
    precision: Precision
    backend: str
    reference: str
    verdict: Verdict
    tolerance: Tolerance
    deviation: Deviation | None = None
    """`None`: there is nothing to compare."""
    note: str = ""
    """Why it was refused, or what came instead."""


def rows(
    subjects: Sequence[Subject], backends: Mapping[str, Backend], *, threads: int = 1
) -> Iterator[Row]:
    """Compares each network's every file on each backend with its reference."""
    for subject in subjects:
        trials = subject.trials()
        for precision, spec in subject.files.items():
            for name, backend in backends.items():
                if (name, precision) == (subject.itself, "fp32"):
                    continue
                yield _row(subject, precision, name, _compared(spec, backend, trials, threads))


Compared = tuple[Verdict, Deviation | None, str]


def _row(subject: Subject, precision: Precision, backend: str, compared: Compared) -> Row:
    verdict, deviation, note = compared
    tolerance = TOLERANCES[precision]
    if deviation is not None and not deviation.within(tolerance):
        verdict = Verdict.MISSES
    return Row(
        network=subject.name,
        precision=precision,
        backend=backend,
        reference=subject.reference,
        verdict=verdict,
        tolerance=tolerance,
        deviation=deviation,
        note=note,
    )


def _compared(spec: ModelSpec, backend: Backend, trials: Sequence[Trial], threads: int) -> Compared:
    try:
        network = backend(spec, threads=threads)
    except EngineError as error:
        return Verdict.REFUSED, None, str(error)
    try:
        return Verdict.AGREES, parity.deviation(network, trials, network.outputs), ""
    except (EngineError, ValueError) as error:
        return Verdict.MISSES, None, str(error)
    finally:
        network.close()
