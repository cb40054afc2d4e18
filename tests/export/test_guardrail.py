# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import ExportFailed, InvalidInput, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.guardrail import failed, finished, request_of, submitted_once
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportRequest, Organisation
from tests.export.memory.clock import Clock
from tests.ledger.memory import MemoryLedger

WHAT = {
    "export": "wfm_shifts",
    "start": "2024-05-01T00:00:00Z",
    "end": "2024-05-02T00:00:00Z",
    "businessUnitId": "north",
}
ORGANISATION = Organisation("api.mypurecloud.com", "client")
REQUEST = request_of(ORGANISATION, WHAT)


class Killed(BaseException):
    """What no code catches: the process is gone."""


class Platform:
    """Makes jobs, as badly as a test wants it to.

    :param raises: what the first calls raise, in order.
    """

    def __init__(self, *raises: BaseException) -> None:
        self._raises = iter(raises)
        self._ids = count(1)
        self.jobs: list[str] = []
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        for error in self._raises:
            raise error
        self.jobs.append(f"job-{next(self._ids)}")
        return self.jobs[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(clock)


@pytest.fixture
def ask(ledger: MemoryLedger, clock: Clock) -> Callable[..., str | Held]:
    """Asks for the export's one job."""

    def ask(submit: Callable[[], str], owner: str = "run-1", **arguments: Any) -> str | Held:
        return submitted_once(ledger, REQUEST, submit, owner=owner, sleep=clock.sleep, **arguments)

    return ask


Ask = Callable[..., str | Held]


def entry_in(ledger: MemoryLedger) -> Entry:
    entry = ledger.entry(REQUEST.key)
    assert entry is not None
    return entry


def attempts_in(ledger: MemoryLedger) -> list[tuple[int, str, str | None]]:
    return [(each.number, each.status.value, each.job_id) for each in entry_in(ledger).attempts]


def test_whoever_asks_gets_the_same_job(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform()
    assert [ask(platform), ask(platform), ask(platform, "run-2")] == ["job-1"] * 3
    assert platform.jobs == ["job-1"]
    assert attempts_in(ledger) == [(0, "submitted", "job-1")]


def test_nobody_holds_what_was_submitted(ask: Ask, ledger: MemoryLedger) -> None:
    ask(Platform())
    assert entry_in(ledger).held_by == ""


def test_the_attempt_is_in_the_ledger_before_the_job_is_made(ask: Ask, ledger: MemoryLedger) -> None:
    seen = []

    def submit() -> str:
        seen.extend(attempts_in(ledger))
        return "job-1"

    ask(submit)
    assert seen == [(0, "submitting", None)]


def test_who_comes_during_a_submission_is_told_who_has_it(ask: Ask) -> None:
    met: list[str | Held] = []

    def submit() -> str:
        met.extend([ask(Platform(), "run-2"), ask(Platform(), "run-1")])
        return "job-1"

    assert ask(submit, lease_seconds=60.0) == "job-1"
    assert met == [Held("run-1", 60.0)] * 2


def test_after_a_kill_a_new_attempt_comes_when_the_lease_has_run_out(
    ask: Ask, ledger: MemoryLedger, clock: Clock
) -> None:
    with pytest.raises(Killed):
        ask(Platform(Killed()), lease_seconds=60.0)
    platform = Platform()
    assert ask(platform, "run-2") == Held("run-1", 60.0)
    assert platform.calls == 0
    clock.now += 61
    assert ask(platform, "run-2") == "job-1"
    assert attempts_in(ledger) == [(0, "submitting", None), (1, "submitted", "job-1")]
    assert "died before the job's id was stored" in entry_in(ledger).attempts[1].reason


def test_any_other_error_may_have_made_a_job_and_is_raised_on(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform(KeyError("https://host/?token=secret"))
    with pytest.raises(KeyError) as error:
        ask(platform)
    assert error.value.args == ("https://host/?token=secret",)
    assert platform.calls == 1
    (attempt,) = entry_in(ledger).attempts
    assert attempt.status is AttemptStatus.UNKNOWN
    assert attempt.error == "KeyError was raised; the job may exist or not"


def test_the_next_call_after_such_an_error_makes_a_tagged_attempt(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform(RuntimeError())
    with pytest.raises(RuntimeError):
        ask(platform)
    assert ask(platform) == "job-1"
    assert attempts_in(ledger) == [(0, "unknown", None), (1, "submitted", "job-1")]


def test_what_returns_no_id_is_an_error(ask: Ask) -> None:
    with pytest.raises(InvalidInput, match="must return the job's id, not NoneType"):
        ask(lambda: None)


def test_such_errors_end_with_the_budget(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform(*[RuntimeError() for _ in range(9)])
    for _ in range(4):
        with pytest.raises(RuntimeError):
            ask(platform)
    with pytest.raises(ExportFailed, match="used up its 3 resubmissions"):
        ask(platform)
    assert platform.calls == 4
    assert entry_in(ledger).state is RequestState.FAILED


def test_a_passing_fault_is_tried_again_and_costs_nothing(ask: Ask, ledger: MemoryLedger, clock: Clock) -> None:
    assert ask(Platform(Passing("busy", 7.0))) == "job-1"
    assert clock.slept == [7.0]
    assert attempts_in(ledger) == [(0, "submitted", "job-1")]


def test_a_lost_answer_is_tried_again_as_a_new_attempt(ask: Ask, ledger: MemoryLedger) -> None:
    assert ask(Platform(OutcomeUnknown("lost"))) == "job-1"
    assert attempts_in(ledger) == [(0, "unknown", None), (1, "submitted", "job-1")]


@pytest.mark.parametrize("words", ["not this week", ""])
def test_a_refusal_is_final_for_this_call(ask: Ask, ledger: MemoryLedger, words: str) -> None:
    platform = Platform(Refused(words))
    with pytest.raises(Refused):
        ask(platform)
    assert entry_in(ledger).state is RequestState.OPEN
    assert ask(platform) == "job-1"
    assert (words or "no reason was given") in entry_in(ledger).attempts[1].reason


def test_a_failed_job_is_submitted_again(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform()
    ask(platform)
    assert failed(ledger, REQUEST, "job-1", "worker aborted", owner="run-1")
    assert ask(platform, "run-2") == "job-2"
    assert entry_in(ledger).attempts[1].reason == "job job-1 failed: worker aborted"
    assert entry_in(ledger).attempts[1].replaces == "job-1"


def test_a_job_that_failed_without_a_word_is_not_split(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform()
    ask(platform)
    failed(ledger, REQUEST, "job-1", "", owner="run-1")
    assert ask(platform) == "job-2"
    assert entry_in(ledger).state is RequestState.OPEN


def test_failures_end_with_the_budget_and_force_begins_it_afresh_once(ask: Ask, ledger: MemoryLedger) -> None:
    platform = Platform()
    for _ in range(4):
        job_id = ask(platform)
        assert isinstance(job_id, str)
        failed(ledger, REQUEST, job_id, "aborted", owner="run-1")
    with pytest.raises(ExportFailed, match="job job-4 failed: aborted"):
        ask(platform)
    assert [ask(platform, force_run="run-1"), ask(platform, force_run="run-1")] == ["job-5", "job-5"]


def test_a_finished_export_is_never_submitted_again(ask: Ask, ledger: MemoryLedger, clock: Clock) -> None:
    platform = Platform()
    ask(platform)
    assert finished(ledger, REQUEST, "job-1", owner="run-1")
    assert finished(ledger, REQUEST, "job-1", owner="run-2")
    clock.now += 1e6
    assert ask(platform, "run-2") == "job-1"
    assert entry_in(ledger).state is RequestState.ARCHIVED
    assert attempts_in(ledger) == [(0, "completed", "job-1")]


@pytest.mark.parametrize("end", [finished, lambda *args, owner: failed(*args, "late", owner=owner)])
def test_the_end_of_a_job_that_was_replaced_changes_nothing(ask: Ask, ledger: MemoryLedger, end: Any) -> None:
    platform = Platform()
    ask(platform)
    failed(ledger, REQUEST, "job-1", "aborted", owner="run-1")
    ask(platform)
    before = entry_in(ledger)
    assert end(ledger, REQUEST, "job-1", owner="run-2") is False
    assert entry_in(ledger) == before


def test_an_end_waits_for_whoever_holds_the_request(ask: Ask, ledger: MemoryLedger) -> None:
    ask(Platform())
    ledger.acquire(REQUEST, "run-2", 20.0)
    with pytest.raises(Passing, match=r"own/wfm_shifts .* is held by run-2") as held:
        finished(ledger, REQUEST, "job-1", owner="run-1")
    assert held.value.retry_after == 20.0


def test_the_end_of_what_nobody_submitted_is_an_error(ledger: MemoryLedger) -> None:
    with pytest.raises(InvalidInput, match="is not in the ledger"):
        finished(ledger, REQUEST, "job-1", owner="run-1")
    assert ledger.entry(REQUEST.key) is None


def others() -> Iterator[ExportRequest]:
    for change in ({"export": "wfm_plans"}, {"end": "2024-05-01T12:00:00Z"}, {"businessUnitId": "south"}):
        yield request_of(ORGANISATION, {**WHAT, **change})
    yield request_of(Organisation("api.mypurecloud.de", "client"), WHAT)
    yield replace(REQUEST, media_format="mp3")


def test_whatever_differs_is_another_export() -> None:
    keys = [REQUEST.key, *(other.key for other in others())]
    assert len(set(keys)) == len(keys)


def test_the_same_time_in_another_zone_is_the_same_export() -> None:
    berlin = {"start": "2024-05-01T02:00:00+02:00", "end": "2024-05-02T02:00:00+02:00"}
    assert request_of(ORGANISATION, {**WHAT, **berlin}).key == REQUEST.key


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"export": ""}, "'export' can't be ''"),
        ({"export": None}, "'export' can't be None"),
        ({"export": "a/b"}, "'export' can't be 'a/b'"),
        ({"start": "yesterday"}, "not a window"),
        ({"start": "2024-05-01T00:00:00"}, "is naive"),
        ({"end": "2024-05-01T00:00:00Z"}, "empty or reversed"),
        ({"unit": {1, 2}}, "must be JSON"),
    ],
)
def test_what_can_be_no_key_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        request_of(ORGANISATION, {**WHAT, **wrong})
