"""Why TensorRT builds no engine: its errors go in, an `UnsupportedNetwork` comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from engines.backends.tensorrt.package import Package
from engines.errors import UnsupportedNetwork

_MOST_CHARACTERS = 1500
_TURING = "check_turing_op_compatibility"  # operators that TensorRT-RTX lacks for SM75


class ParserError(Protocol):
    """What is used of `tensorrt.ParserError`."""

    def desc(self) -> str:
        """What is wrong."""

    def node_name(self) -> str:
        """With which node; empty: with none of them."""

    def node_operator(self) -> str:
        """With which operator; empty: with none."""


def refusal(
    package: Package, network: str, reasons: Iterable[str], mend: str = ""
) -> UnsupportedNetwork:
    """The error to raise; `mend`: what to do, if it is known."""
    told = "; ".join(dict.fromkeys(reasons)) or "it does not say why"
    if _TURING in told:
        mend = "for a GPU of this kind take another backend"
    return UnsupportedNetwork(
        f"{package.name} {package.version} does not build the network {network!r}:"
        f" {told[:_MOST_CHARACTERS]}{'; ' if mend else ''}{mend}"
    )


def refused_by_parser(
    package: Package, network: str, errors: Iterable[ParserError]
) -> UnsupportedNetwork:
    """The error to raise where the parser did not take the file."""
    errors = list(errors)
    volumes = any(each.node_operator() == "GridSample" for each in errors)
    mend = (
        f"volumes are sampled from {package.name} {package.samples_volumes_from} on: install that,"
        " or export the network with its atlas sampling"
        if volumes and not package.samples_volumes
        else ""
    )
    return refusal(package, network, map(_told, errors), mend)


def _told(error: ParserError) -> str:
    where = f"operator {error.node_operator()}" if error.node_operator() else "the file"
    name = f" (node {error.node_name()!r})" if error.node_name() else ""
    return f"{where}{name}: {error.desc()}"
