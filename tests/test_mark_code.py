"""The mark's error correction: what it mends, and what it must not believe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.mark.code import CODED_CHIPS, PAYLOAD_BYTES, encode, likeliest, payload_of

payloads = st.binary(min_size=PAYLOAD_BYTES, max_size=PAYLOAD_BYTES)


def _read(soft: np.ndarray) -> bytes | None:
    return payload_of(likeliest(soft.astype(np.float32)))


@given(payloads)
@settings(max_examples=40, deadline=None)
def test_what_was_encoded_is_read(payload: bytes) -> None:
    chips = encode(payload)
    assert chips.shape == (CODED_CHIPS,)
    assert set(np.unique(chips)) <= {-1.0, 1.0}
    assert _read(chips) == payload


@given(payloads, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_quarter_of_all_chips_may_be_lost_and_a_tenth_wrong(payload: bytes, seed: int) -> None:
    generator = np.random.default_rng(seed)
    soft = encode(payload)
    order = generator.permutation(CODED_CHIPS)
    soft[order[: CODED_CHIPS // 4]] = 0
    soft[order[-CODED_CHIPS // 10 :]] *= -1
    assert _read(soft) == payload


def test_in_noise_as_strong_as_the_least_score_allows_most_are_read() -> None:
    generator = np.random.default_rng(0)
    right = 0
    for _ in range(40):
        payload = generator.bytes(PAYLOAD_BYTES)
        noise = generator.normal(0, np.sqrt(CODED_CHIPS) / 14.0, CODED_CHIPS)
        found = _read(encode(payload) + noise)
        assert found in {payload, None}
        right += found == payload
    assert right >= 35


def test_noise_alone_is_not_believed() -> None:
    generator = np.random.default_rng(1)
    read = [_read(generator.normal(size=CODED_CHIPS)) for _ in range(60)]
    assert read.count(None) == len(read)


def test_every_payload_has_chips_of_its_own() -> None:
    one = encode(bytes(PAYLOAD_BYTES))
    for bit in range(8 * PAYLOAD_BYTES):
        other = encode((1 << bit).to_bytes(PAYLOAD_BYTES, "big"))
        assert np.count_nonzero(one != other) >= 30


@pytest.mark.parametrize("size", [0, PAYLOAD_BYTES - 1, PAYLOAD_BYTES + 1])
def test_a_payload_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{PAYLOAD_BYTES} bytes, not {size}"):
        encode(bytes(size))
