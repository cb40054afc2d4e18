# SPDX-License-Identifier: Apache-2.0
"""Every ledger against the plain one in memory: whatever is asked of both, in whatever order, the answers agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, Lease, RequestState
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation, Reservation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.backends import open_ledger
from tests.ledger.memory import MemoryLedger

DAY = datetime(2024, 5, 1, tzinfo=UTC)
WINDOWS = [ExportWindow(DAY + timedelta(hours=start), DAY + timedelta(hours=start + 6)) for start in (0, 6, 12)]

windows = st.lists(st.sampled_from(WINDOWS), max_size=3).map(tuple)
attempts = st.builds(
    Attempt,
    number=st.integers(0, 2),
    generation=st.integers(0, 1),
    status=st.sampled_from(AttemptStatus),
    job_id=st.sampled_from(["", None]),
    polls=st.integers(0, 3),
    submitted_at=st.none() | st.floats(0, 2e9),
)
owners = st.sampled_from(["ann", "bob"])
lengths = st.sampled_from([0.0, 1000.0])


class Clock:
    """A clock that stands until it is moved."""

    now = 1_714_564_800.0

    def __call__(self) -> float:
        return self.now


class Comparison(RuleBasedStateMachine):
    """Both ledgers, asked the same.

    :param real: the ledger to judge. Where its clock can't be moved, no answer that holds a time is compared.
    """

    organisations = count()
    leases = Bundle("leases")

    def __init__(self, real: Ledger, clock: Clock, *, same_clock: bool) -> None:
        super().__init__()
        self.real, self.clock, self.same_clock = real, clock, same_clock
        self.memory = MemoryLedger(clock)
        # Every example has plans and budgets of its own, so that only the requests of the one before have to go.
        self.organisation = Organisation("host", f"client {next(self.organisations)}")
        for entry in list(real.entries()):
            real.break_lease(entry.request.key)
            real.forget(entry.request.key)

    def ask(self, question: Callable[[Ledger], Any]) -> tuple[Any, Any]:
        """Both answers, having compared them; an error is an answer."""
        real, memory = _answer(question, self.real), _answer(question, self.memory)
        assert self.comparable(real) == self.comparable(memory)
        return real, memory

    def comparable(self, answer: Any) -> Any:
        if self.same_clock:
            return answer
        if isinstance(answer, Lease):
            return replace(answer, until=0.0)
        if isinstance(answer, Reservation):
            return answer.granted
        if isinstance(answer, list):
            return [self.comparable(part) for part in answer]
        if isinstance(answer, Entry):
            return replace(answer, held_until=0.0, lease=self.comparable(answer.lease))
        return answer

    def request(self, window: ExportWindow) -> ExportRequest:
        return ExportRequest(self.organisation, window, "mp3")

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 61.0, 999.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        if self.same_clock:
            self.clock.now += seconds

    @rule(target=leases, window=st.sampled_from(WINDOWS), owner=owners, seconds=lengths)
    def acquire(self, window: ExportWindow, owner: str, seconds: float) -> Any:
        real, memory = self.ask(lambda ledger: ledger.acquire(self.request(window), owner, seconds))
        return (real, memory) if real.lease else multiple()

    @rule(
        target=leases,
        held=leases,
        state=st.sampled_from(RequestState),
        generation=st.integers(0, 1),
        attempts=st.lists(attempts, max_size=3, unique_by=lambda attempt: (attempt.generation, attempt.number)),
        children=windows,
        error=st.sampled_from(["", "no"]),
        checked_at=st.none() | st.floats(0, 2e9),
        exclusive=st.booleans(),
    )
    def save(self, held: tuple[Entry, Entry], exclusive: bool, attempts: list[Attempt], **change: Any) -> Any:
        by_ledger = {id(self.real): held[0], id(self.memory): held[1]}

        def save(ledger: Ledger) -> Entry:
            entry = by_ledger[id(ledger)]
            assert entry.lease is not None
            change["attempts"] = tuple(_with_job(attempt, entry.request.window) for attempt in attempts)
            return ledger.save(entry.lease, replace(entry, **change), exclusive=exclusive)

        real, memory = self.ask(save)
        return (real, memory) if isinstance(real, Entry) else multiple()

    @rule(held=leases)
    def renew(self, held: tuple[Entry, Entry]) -> None:
        self.ask(lambda ledger: ledger.renew(_lease(held)))

    @rule(held=leases)
    def release(self, held: tuple[Entry, Entry]) -> None:
        self.ask(lambda ledger: ledger.release(_lease(held)))

    @rule()
    def standings(self) -> None:
        self.ask(lambda ledger: [s for s in ledger.standings(0.0, 1e10) if s.request.organisation == self.organisation])

    @rule(window=st.sampled_from(WINDOWS))
    def entry(self, window: ExportWindow) -> None:
        self.ask(lambda ledger: ledger.entry(self.request(window).key))

    @rule(
        budget=st.sampled_from(["polls", "requests"]), per_minute=st.integers(1, 4), within=st.sampled_from([0.0, 70.0])
    )
    def reserve(self, budget: str, per_minute: int, within: float) -> None:
        self.ask(lambda ledger: ledger.reserve(str(self.organisation), budget, per_minute, within))

    @rule(planned=windows, replace=st.booleans())
    def keep_plan(self, planned: tuple[ExportWindow, ...], replace: bool) -> None:
        key = self.request(WINDOWS[0]).key
        self.ask(lambda ledger: ledger.keep_plan(key, planned, replace=replace))
        self.ask(lambda ledger: ledger.plan(key))

    @rule(window=st.sampled_from(WINDOWS), recordings=st.integers(0, 9), hours=st.integers(0, 13))
    def record_volume(self, window: ExportWindow, recordings: int, hours: int) -> None:
        selection = self.request(window).selection_key
        self.ask(lambda ledger: ledger.record_volume(selection, window, recordings))
        until = (DAY + timedelta(hours=hours)).timestamp()
        self.ask(lambda ledger: ledger.volumes(selection, DAY.timestamp(), until))

    @rule(organised=st.booleans(), states=st.lists(st.sampled_from(RequestState), max_size=2))
    def entries(self, organised: bool, states: list[RequestState]) -> None:
        organisation = str(self.organisation) if organised else None
        self.ask(lambda ledger: list(ledger.entries(organisation, states)))

    @rule(window=st.sampled_from(WINDOWS))
    def break_lease(self, window: ExportWindow) -> None:
        self.ask(lambda ledger: ledger.break_lease(self.request(window).key))

    @rule(window=st.sampled_from(WINDOWS))
    def forget(self, window: ExportWindow) -> None:
        self.ask(lambda ledger: ledger.forget(self.request(window).key))

    @rule(age=st.sampled_from([-1e9, 500.0, 1e9]))
    def compact(self, age: float) -> None:
        """All that is finished, the older part of it where the clock can be moved, or nothing."""
        self.ask(lambda ledger: ledger.compact(self.clock.now - age))

    @rule(recordings=st.integers(0, 9), seconds=st.floats(0, 1e6))
    def record_duration(self, recordings: int, seconds: float) -> None:
        self.ask(lambda ledger: ledger.record_duration(str(self.organisation), recordings, seconds))
        self.ask(lambda ledger: ledger.durations(str(self.organisation)))

    @rule(budget=st.sampled_from(["polls", "requests"]))
    def spent(self, budget: str) -> None:
        self.ask(lambda ledger: ledger.spent(str(self.organisation), budget))

    @rule(window=st.sampled_from(WINDOWS), number=st.integers(0, 2), generation=st.integers(0, 1))
    def find(self, window: ExportWindow, number: int, generation: int) -> None:
        self.ask(lambda ledger: ledger.find(str(self.organisation), _job_id(window, generation, number)))


def _job_id(window: ExportWindow, generation: int, number: int) -> str:
    """A job belongs to one request."""
    return f"job {number}.{generation} of {window}"


def _with_job(attempt: Attempt, window: ExportWindow) -> Attempt:
    """Give an attempt its job, unless it has none."""
    if attempt.job_id is None:
        return attempt
    return replace(attempt, job_id=_job_id(window, attempt.generation, attempt.number))


def _lease(held: tuple[Entry, Entry]) -> Lease:
    assert held[0].lease is not None
    return held[0].lease


def _answer(question: Callable[[Ledger], Any], ledger: Ledger) -> Any:
    try:
        return question(ledger)
    except LeaseLost:
        return LeaseLost


def compare(ledger: Ledger, clock: Clock, *, same_clock: bool, examples: int) -> None:
    run_state_machine_as_test(
        lambda: Comparison(ledger, clock, same_clock=same_clock),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_ledger_agrees_with_the_model(ledger: Ledger) -> None:
    compare(ledger, Clock(), same_clock=False, examples=8)


def test_a_ledger_agrees_with_the_model_as_time_passes(tmp_path: Path) -> None:
    clock = Clock()
    compare(open_ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock), clock, same_clock=True, examples=40)
