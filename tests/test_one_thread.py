from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial

import pytest

from live.one_thread import OneThread


def test_all_run_on_one_thread_in_order() -> None:
    thread = OneThread("test")
    ran: list[int] = []

    def job(i: int) -> int:
        ran.append(i)
        return threading.get_ident()

    futures = [thread.submit(partial(job, i)) for i in range(9)]
    assert len({future.result(5) for future in futures} - {threading.get_ident()}) == 1
    assert ran == list(range(9))
    thread.close()


def test_an_error_goes_to_whoever_asked() -> None:
    thread = OneThread("test")
    with pytest.raises(ZeroDivisionError):
        thread.submit(lambda: 1 / 0).result(5)
    assert thread.submit(lambda: 7).result(5) == 7
    thread.close()


def test_what_is_cancelled_in_time_does_not_run() -> None:
    thread = OneThread("test")
    go = threading.Event()
    ran: list[int] = []
    first = thread.submit(go.wait)
    second = thread.submit(partial(ran.append, 2))
    assert second.cancel()
    go.set()
    assert first.result(5)
    thread.submit(lambda: None).result(5)
    assert not ran
    thread.close()


def test_the_process_does_not_wait_for_it() -> None:
    code = (
        "import threading; from live.one_thread import OneThread\n"
        "OneThread('stuck').submit(threading.Event().wait)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
