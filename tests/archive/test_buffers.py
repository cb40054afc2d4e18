# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_genesys.archive.buffers import Buffers
from tests.waiting import until

MIB = 1024 * 1024


def test_a_lease_is_as_large_as_was_asked_for_and_writable() -> None:
    buffers = Buffers(4 * MIB)
    for size in (0, 1, MIB, MIB + 1):
        with buffers.lease(size) as view:
            view[:] = b"x" * size
            assert bytes(view) == b"x" * size


def test_no_more_is_out_at_a_time_than_there_is() -> None:
    buffers, out, most, lock = Buffers(8 * MIB), [0], [0], threading.Lock()

    def use(number: int) -> None:
        size = random.Random(number).randrange(1, 5 * MIB)
        with buffers.lease(size):
            with lock:
                out[0] += size
                most[0] = max(most[0], out[0])
            time.sleep(0.001)
            with lock:
                out[0] -= size

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(300)))
    assert 5 * MIB < most[0] <= 8 * MIB
    assert out == [0]


def test_who_came_first_is_served_first() -> None:
    buffers, served = Buffers(2 * MIB), []
    first = buffers.take(2 * MIB)

    def use(size: int) -> None:
        with buffers.lease(size):
            served.append(size)

    threads = []
    for size in (2 * MIB, 1, 2):
        threads.append(threading.Thread(target=use, args=(size,)))
        threads[-1].start()
        until(lambda: len(buffers._queue) == len(threads))
    assert served == []
    buffers.give_back(first)
    for thread in threads:
        thread.join(10)
    assert served[0] == 2 * MIB
    assert sorted(served[1:]) == [1, 2]


def test_what_is_larger_than_all_there_is_is_had_alone() -> None:
    buffers = Buffers(MIB)
    with buffers.lease(3 * MIB) as view:
        assert len(view) == 3 * MIB
    with buffers.lease(MIB) as one:
        one[:] = b"x" * MIB


def test_a_slice_that_outlives_its_lease_does_not_stop_the_others() -> None:
    buffers = Buffers(MIB)
    view = buffers.take(MIB)
    kept = view[:10]
    buffers.give_back(view)
    with buffers.lease(256 * 1024) as other:
        other[:] = b"y" * len(other)
    buffers.close()
    assert len(kept) == 10
