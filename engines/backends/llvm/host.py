"""What the processor at hand can do, as far as the layout of the code depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.errors import UnsupportedNetwork


@dataclass(frozen=True, slots=True)
class Host:
    """A processor's vector unit."""

    lanes: int
    """Floats in a register."""
    registers: int
    halves: bool
    """Whether it reads half-precision numbers by itself."""

    def tile(self, width: int, channels: int) -> Tile:
        """How to compute `channels` of up to `width` pixels at a time.

        A tile's sums stay in registers: enough of them to keep both multipliers busy, and few
        enough to leave room for what is loaded. Of those that fit, the one with fewest loads.
        """
        lanes = min(self.lanes, channels)
        vectors = channels // lanes
        fitting = [
            (pixels, across)
            for across in (8, 4, 2, 1)
            for pixels in (8, 4, 2, 1)
            if not vectors % across and not width % pixels
            if pixels * across <= max(4, self.registers * 3 // 4)
        ]
        pixels, across = min(fitting, key=_cost)
        return Tile(pixels, across, lanes)


@dataclass(frozen=True, slots=True)
class Tile:
    """What a kernel keeps in registers."""

    pixels: int
    vectors: int
    lanes: int

    @property
    def channels(self) -> int:
        """Of each of the pixels."""
        return self.vectors * self.lanes


def host(machine: str, features: Mapping[str, bool]) -> Host:
    """`machine`: as `platform.machine` names it; `features`: as LLVM names them.

    Raises `UnsupportedNetwork` for a processor without fused multiplication of whole vectors, where
    LLVM would make one call for each number.
    """
    if machine in ("aarch64", "arm64"):
        return Host(4, 32, halves=True)
    if features.get("avx512f"):
        return Host(16, 32, halves=True)
    if features.get("avx2") and features.get("fma"):
        return Host(8, 16, halves=features.get("f16c", False))
    raise UnsupportedNetwork("this processor has neither AVX2 nor NEON, or LLVM does not see them")


_LEAST_SUMS = 8  # that two multipliers of four cycles each wait for


def _cost(tile: tuple[int, int]) -> float:
    pixels, across = tile
    sums = pixels * across
    return (pixels + across) / sums + max(0, _LEAST_SUMS - sums)
