"""Payload bytes in, ±1 chips of an error-correcting code out; and back from noisy chips.

A cyclic redundancy check is appended (CRC-16, polynomial 0x1021), then a tail-biting convolutional
code of constraint length 9 and rate 1/6 (Viterbi 1967; tail-biting: Ma and Wolf 1986) is applied.
Tail-biting spends no chips on known end states, and its circle has no weak place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAYLOAD_BYTES = 7
_CHECK_BITS = 16
_CHECK_POLYNOMIAL = 0x1021
INFORMATION_BITS = 8 * PAYLOAD_BYTES + _CHECK_BITS

_MEMORY = 8
_STATES = 1 << _MEMORY
# Rate 1/4 of greatest free distance (Proakis, Digital Communications, tables of rate 1/n codes)
# and two of its polynomials again.
_POLYNOMIALS = (0o463, 0o535, 0o733, 0o745, 0o535, 0o745)
RATE = len(_POLYNOMIALS)
CODED_CHIPS = INFORMATION_BITS * RATE

_LAPS = 2
"""Times round the circle before the path is read: it has forgotten its start by then."""


def encode(payload: bytes) -> NDArray[np.float32]:
    """`PAYLOAD_BYTES` bytes as `(CODED_CHIPS,)` chips ±1; raises `ValueError` on others."""
    if len(payload) != PAYLOAD_BYTES:
        raise ValueError(f"a mark's payload has {PAYLOAD_BYTES} bytes, not {len(payload)}")
    return chips(payload + _check(payload).to_bytes(_CHECK_BITS // 8, "big"))


def chips(checked: bytes) -> NDArray[np.float32]:
    """`(CODED_CHIPS,)` of a payload and its check, whether or not that holds."""
    bits = np.unpackbits(np.frombuffer(checked, np.uint8))
    # the register that each bit meets: itself first, then the bits before it, round the circle
    windows = np.stack([np.roll(bits, back) for back in range(_MEMORY + 1)], 1)
    return (1 - 2 * (windows @ _TAPS.T % 2).astype(np.float32)).reshape(-1)


def likeliest(soft: NDArray[np.float32]) -> bytes:
    """The likeliest payload and check of `(CODED_CHIPS,)` soft chips.

    `soft` is proportional to the logarithm of the odds for +1 against −1 of each chip.
    """
    return np.packbits(_viterbi(soft.reshape(INFORMATION_BITS, RATE))).tobytes()


def payload_of(checked: bytes) -> bytes | None:
    """The payload of what `likeliest` gives; `None` where its check fails."""
    payload, check = checked[:PAYLOAD_BYTES], checked[PAYLOAD_BYTES:]
    return payload if _check(payload) == int.from_bytes(check, "big") else None


def _check(payload: bytes) -> int:
    register = 0xFFFF
    for byte in payload:
        register ^= byte << 8
        for _ in range(8):
            register <<= 1
            if register & 0x10000:
                register ^= 0x10000 | _CHECK_POLYNOMIAL
    return register


def _taps() -> NDArray[np.int64]:
    """`(RATE, _MEMORY + 1)`: which of the present and earlier bits each chip is the parity of."""
    places = np.arange(_MEMORY, -1, -1)
    return (np.array(_POLYNOMIALS)[:, None] >> places) & 1


_TAPS = _taps()


def _branches() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each new state: its two predecessors `(2, states)`, and the chips on the way as ±1.

    A state holds the last bits, the newest as its highest bit.
    """
    states = np.arange(_STATES)
    before = np.stack([(states << 1) & (_STATES - 1), ((states << 1) & (_STATES - 1)) | 1])
    newest = states >> (_MEMORY - 1)
    registers = (newest << _MEMORY) | before  # (2, states), newest bit highest
    bits = (registers[..., None] >> np.arange(_MEMORY, -1, -1)) & 1
    return before, (1 - 2 * (bits @ _TAPS.T % 2)).astype(np.float32)


_BEFORE, _CHIPS = _branches()


def _viterbi(soft: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The bits of the likeliest path that goes round the circle, `(INFORMATION_BITS,)`."""
    steps = len(soft)
    gains = np.einsum("jsr,nr->njs", _CHIPS, soft, dtype=np.float32)
    score = np.zeros(_STATES, np.float32)
    choices = np.empty((_LAPS * steps + steps, _STATES), bool)
    for step in range(len(choices)):
        ways = score[_BEFORE] + gains[step % steps]
        choices[step] = ways[1] > ways[0]
        score = ways.max(axis=0)
        score -= score.max()
    state = int(score.argmax())
    bits = np.empty(len(choices), np.uint8)
    for step in range(len(choices) - 1, -1, -1):
        bits[step] = state >> (_MEMORY - 1)
        state = int(_BEFORE[int(choices[step, state]), state])
    return bits[steps : 2 * steps]
