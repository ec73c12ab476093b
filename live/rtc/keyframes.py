"""Which encoded frames, and which packets, a decoder can begin with."""

from __future__ import annotations

_IDR, _SPS, _STAP_A = 5, 7, 24  # H.264 7.4.1, RFC 6184 5.2
_VP8_START, _VP8_START_MASK = 0x10, 0x17  # RFC 7741 4.2: S set, the first partition


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether an encoded frame can be decoded without any before it (RFC 6386 9.1, H.264 7.4.1)."""
    if codec.upper() == "VP8":
        return bool(data) and not data[0] & 1
    start = data.find(b"\0\0\1")
    while 0 <= start < len(data) - 3:
        if data[start + 3] & 31 in (_IDR, _SPS):  # a parameter set before one
            return True
        start = data.find(b"\0\0\1", start + 3)
    return False


def begins_keyframe(codec: str, payload: bytes, data: bytes) -> bool:
    """Whether an RTP packet is the first of a keyframe, told by itself alone.

    `payload` is the packet's, `data` what is left of it without the codec's descriptor. Keyframes
    of H.264 without a parameter set before them are not told.
    """
    if not payload or not data:
        return False
    if codec.upper() == "VP8":
        return payload[0] & _VP8_START_MASK == _VP8_START and not data[0] & 1
    kind = payload[0] & 31
    return kind == _SPS or (kind == _STAP_A and len(payload) > 3 and payload[3] & 31 == _SPS)
