"""The link between two sockets: what it does, counts and refuses, and that it outlives nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from benchmarks.netem import Faults, Link, LinkFailed
from benchmarks.netem.carrier import MOST_ENTRANCES
from benchmarks.netem.descriptions import destination, led_to, without_candidates

pytestmark = pytest.mark.alone

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    "m=video 50123 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 10.1.2.3\r\n"
    "a=candidate:1 1 udp 2122260223 fd00::1 50124 typ host\r\n"
    "a=candidate:2 1 udp 2122194687 10.1.2.3 50123 typ host generation 0\r\n"
    "a=candidate:3 1 udp 1677721855 203.0.113.5 50123 typ srflx raddr 10.1.2.3 rport 50123\r\n"
    "a=end-of-candidates\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
    "a=mid:0\r\n"
)


@contextmanager
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


@contextmanager
def ends(link: Link) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's, connected to the link's entrance, and a server's socket."""
    with udp() as near, udp() as far:
        near.connect(link.entrance(*far.getsockname()))
        yield near, far


def test_it_passes_both_ways_with_each_way_s_delay_and_counts() -> None:
    with Link(up=Faults(delay_ms=30), down=Faults(delay_ms=5)) as link, ends(link) as (near, far):
        there, back = [], []
        for number in range(20):
            begun = time.monotonic()
            near.send(b"there %d" % number)
            data, way = far.recvfrom(100)
            arrived = time.monotonic()
            far.sendto(data.replace(b"there", b"back"), way)
            assert near.recv(100) == b"back %d" % number
            there.append(arrived - begun)
            back.append(time.monotonic() - arrived)
        assert min(there) >= 0.030
        assert min(back) >= 0.005
        assert median(back) < 0.025  # on a machine with much else to do
        passage = link.passage()
        assert [passage.up.came, passage.up.passed, passage.down.passed] == [20, 20, 20]
        assert len(passage.late_ms) == 40
        assert passage.cpu_s > 0


def test_what_is_lost_and_what_comes_twice_is_counted() -> None:
    down = Faults(duplicates=1.0)
    with Link(up=Faults(loss=0.3), down=down, seed=4) as link, ends(link) as (near, far):
        for number in range(200):
            near.send(bytes([number]))
        while (counts := link.passage().up).came < 200:
            time.sleep(0.01)
        assert 30 < counts.lost < 90
        assert counts.passed == 200 - counts.lost
        arrived = [far.recvfrom(10) for _ in range(counts.passed)]
        numbers = [data[0] for data, _ in arrived]
        assert numbers == sorted(numbers)
        way = arrived[-1][1]
        far.sendto(b"twice", way)
        assert [near.recv(10), near.recv(10)] == [b"twice", b"twice"]


def test_faults_change_while_it_runs() -> None:
    with Link() as link, ends(link) as (near, far):
        far.settimeout(0.3)
        link.change(up=Faults(loss=1))
        near.send(b"lost")
        with pytest.raises(TimeoutError):
            far.recv(10)
        link.change(up=Faults())
        near.send(b"there")
        _, way = far.recvfrom(10)
        cut = link.cut(0.3)
        far.sendto(b"lost", way)
        near.settimeout(0.2)
        with pytest.raises(TimeoutError):
            near.recv(10)
        time.sleep(max(0.0, cut.ended_s - time.monotonic()))
        far.sendto(b"back", way)
        near.settimeout(5)
        assert near.recv(10) == b"back"
        assert link.passage().down.cut == 1


def test_clients_at_one_entrance_are_told_apart() -> None:
    with Link() as link, ends(link) as (near, far), udp() as other:
        other.connect(near.getpeername())
        ways = {}
        for client in (near, other):
            client.send(b"?")
            _, ways[client] = far.recvfrom(10)
        assert ways[near] != ways[other]
        for client, answer in ((other, b"other"), (near, b"near")):
            far.sendto(answer, ways[client])
            assert client.recv(10) == answer


def test_it_ends_with_the_process_that_began_it() -> None:
    began = (
        "import os; from benchmarks.netem import Link;"
        " link = Link().__enter__(); print(link.process.pid, flush=True); os._exit(1)"
    )
    told = subprocess.run([sys.executable, "-c", began], check=False, capture_output=True)
    carrier, until = int(told.stdout), time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(carrier, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("the link's process goes on without anybody")


def test_what_it_cannot_do_is_said() -> None:
    with Link() as link:
        with pytest.raises(LinkFailed, match=r"could not open.*192\.0\.2\.1|assign"):
            link.entrance("192.0.2.1", 9)
        for _ in range(MOST_ENTRANCES):
            link.entrance("127.0.0.1", 9)
        with pytest.raises(LinkFailed, match=f"at most {MOST_ENTRANCES}"):
            link.entrance("127.0.0.1", 9)
        link.process.kill()
        with pytest.raises(LinkFailed, match="has ended"):
            link.passage()


def test_descriptions_name_no_way_but_the_link() -> None:
    assert destination(OFFER) == ("10.1.2.3", 50123)
    offer = without_candidates(OFFER)
    assert "candidate" not in offer
    assert destination(offer) is None
    assert offer.count("\r\n") == OFFER.count("\r\n") - 4
    answer = led_to(OFFER, "10.1.2.3", 7)
    assert destination(answer) == ("10.1.2.3", 7)
    assert answer.count("candidate") == 1


def test_an_answer_without_a_way_is_refused() -> None:
    with Link() as link, pytest.raises(LinkFailed, match="no host candidate"):
        link.answer(without_candidates(OFFER))
