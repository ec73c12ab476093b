"""A thread that gave up its sockets has none, nor have those it starts; the others keep theirs."""

from __future__ import annotations

import platform
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from engines.errors import EngineError
from engines.trackers.no_sockets import deny_sockets

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="sockets can be denied on Linux x86-64 only",
)


def _open(family: socket.AddressFamily, kind: socket.SocketKind) -> str:
    try:
        socket.socket(family, kind).close()
    except PermissionError:
        return "denied"
    return "open"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_sockets_are_denied_to_the_thread_and_to_those_it_starts(
    family: socket.AddressFamily, kind: socket.SocketKind
) -> None:
    def inherited() -> str:
        with ThreadPoolExecutor(1) as child:
            return child.submit(_open, family, kind).result()

    with ThreadPoolExecutor(1) as thread:
        before = thread.submit(_open, family, kind).result()
        thread.submit(deny_sockets).result()
        after = thread.submit(_open, family, kind).result()
        of_child = thread.submit(inherited).result()
    assert (before, after, of_child) == ("open", "denied", "denied")
    assert _open(family, kind) == "open"  # here, beside it
    with ThreadPoolExecutor(1) as other:
        assert other.submit(_open, family, kind).result() == "open"


def test_no_connection_can_be_made() -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(deny_sockets).result()
        with pytest.raises(PermissionError):
            thread.submit(socket.create_connection, ("127.0.0.1", 9), 1).result()


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(EngineError, match="litert"):
        deny_sockets()
