from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, loggers = logging.root, [logging.getLogger(name) for name in ("live", "engines")]
    handlers, levels = root.handlers[:], [each.level for each in (root, *loggers)]
    yield
    root.handlers[:] = handlers
    for each, level in zip((root, *loggers), levels, strict=True):
        each.setLevel(level)


def test_plain_lines_carry_the_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up()
    logging.getLogger("live.pool").info("call opened", extra={"calls": 3})
    assert capsys.readouterr().err.endswith(" INFO live.pool call opened calls=3\n")


def test_json_lines_are_objects(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(form="json")
    try:
        raise ValueError("of 10.1.2.3")
    except ValueError:
        logging.getLogger("live.pool").exception("call %s", "failed", extra={"calls": 3})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["logger"], line["message"]) == ("error", "live.pool", "call failed")
    assert line["calls"] == 3
    assert "ValueError: of [address]" in line["traceback"]


def test_lines_of_a_worker_say_whose_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(form="json", worker="2")
    logging.getLogger("live.pool").info("call opened", extra={"calls": 3})
    line = json.loads(capsys.readouterr().err)
    assert (line["worker"], line["calls"]) == ("2", 3)


def test_libraries_speak_only_of_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug")
    logging.getLogger("aioice.ice").info("Check CandidatePair(1.2.3.4 -> 5.6.7.8)")
    logging.getLogger("live.session").debug("seen")
    assert capsys.readouterr().err.endswith("live.session seen\n")


@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_line_has_an_address(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(form="json" if form == "json" else "plain")
    log = logging.getLogger("aiohttp.server")
    secret = (
        "192.168.1.77",
        "2001:db8::ff00:42:8329",
        "0f3c7a9e-1d2b-4c5d-8e9f-001122334455.local",
    )
    for each in secret:
        log.error("Error handling request from %s", each)
        log.error("peer", extra={"remote": f"({each}, 5000)"})
        try:
            raise OSError(f"cannot reach {each}:3478")
        except OSError:
            log.exception("failed")
    written = capsys.readouterr().err
    assert written.count("[address]") == 9
    assert not any(each in written for each in secret)


@given(st.ip_addresses(), st.sampled_from(["from {}", "({}, 80)", "[{}]", "host={} x", "<{}>"]))
def test_any_address_is_struck_out(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, around: str
) -> None:
    for text in {str(address), address.exploded}:
        if text == "::":  # everyone's, and C++ code's
            continue
        assert text not in logs.strike_addresses(around.format(text))


@pytest.mark.parametrize(
    "text", ["12:30:59 took 3.5 s", "version 1.16.0", "live.pool: 7 calls", "f::g()"]
)
def test_times_and_versions_stay(text: str) -> None:
    assert logs.strike_addresses(text) == text
