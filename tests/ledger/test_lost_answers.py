# SPDX-License-Identifier: Apache-2.0
"""A connection that breaks in the middle of a call, after the server has heard the question: on every server, and at
every question that an operation asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, RequestState
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.backends import open_ledger
from tests.servers.severing import SeveringProxy, severing_proxy

REQUEST = ExportRequest(
    Organisation("api.mypurecloud.com", "client"),
    ExportWindow.parse({"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}),
    "mp3",
)
JOBS = (Attempt(0, 0, AttemptStatus.FAILED, "job 0"), Attempt(1, 0, AttemptStatus.SUBMITTED, "job 1"))


@pytest.fixture
def proxy(served_address: str) -> Iterator[SeveringProxy]:
    port = re.search(r"127\.0\.0\.1:(\d+)", served_address)
    assert port is not None
    with severing_proxy(int(port[1])) as proxy:
        yield proxy


@pytest.fixture
def far(served_address: str, proxy: SeveringProxy) -> Ledger:
    """The ledger by way of the proxy."""
    return open_ledger(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{proxy.port}", served_address), span=1000.0)


def with_every_answer_lost(proxy: SeveringProxy, operation: Callable[[], Any]) -> Iterator[Any]:
    """Do the operation again and again, each time with a later answer lost, until it is through before that."""
    for question in range(100):
        lost_before = proxy.severed
        proxy.sever_after(question)
        yield operation()
        if proxy.severed == lost_before:
            assert question
            return
    raise AssertionError("the operation asks more than a hundred questions")


def test_a_claim_is_the_claimants(far: Ledger, proxy: SeveringProxy, served_address: str) -> None:
    near = open_ledger(served_address)
    fence = 0
    for entry in with_every_answer_lost(proxy, lambda: far.acquire(REQUEST, "ann", 1000.0)):
        assert entry.lease.fence > fence
        fence = entry.lease.fence
        assert near.acquire(REQUEST, "bob", 1000.0).held_by == "ann"
        assert near.renew(entry.lease).fence == fence
    assert proxy.severed


def test_a_save_is_there_once(far: Ledger, proxy: SeveringProxy, served_address: str) -> None:
    near = open_ledger(served_address)
    entry = far.acquire(REQUEST, "ann", 1000.0)
    changed = replace(entry, state=RequestState.ARCHIVED, attempts=JOBS)
    for saved in with_every_answer_lost(proxy, lambda: far.save(entry.lease, changed)):
        assert saved.attempts == JOBS
        assert near.entry(REQUEST.key) == replace(saved, lease=None)
        assert near.find(str(REQUEST.organisation), "job 1") == replace(saved, lease=None)
    assert proxy.severed


def test_a_reservation_never_grants_more(far: Ledger, proxy: SeveringProxy, served_address: str) -> None:
    near = open_ledger(served_address, span=1000.0)
    granted = list(with_every_answer_lost(proxy, lambda: far.reserve("organisation", "polls", 20)))
    assert proxy.severed
    assert sum(reservation.granted for reservation in granted) <= near.spent("organisation", "polls") <= 20


def test_a_plan_is_kept(far: Ledger, proxy: SeveringProxy) -> None:
    for plan in with_every_answer_lost(proxy, lambda: far.keep_plan("key", [REQUEST.window])):
        assert plan == (REQUEST.window,)
    assert proxy.severed


def test_a_forgotten_request_is_gone(far: Ledger, proxy: SeveringProxy, served_address: str) -> None:
    near = open_ledger(served_address)

    def fill_and_forget() -> bool:
        entry = near.acquire(REQUEST, "ann", 0.0)
        near.save(entry.lease, replace(entry, attempts=JOBS))
        return far.forget(REQUEST.key)

    for is_gone in with_every_answer_lost(proxy, fill_and_forget):
        assert is_gone
        assert near.entry(REQUEST.key) is None
        assert near.find(str(REQUEST.organisation), "job 1") is None
    assert proxy.severed
