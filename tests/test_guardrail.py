# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.guardrail import failed, finished, submitted_once
from tests.rig import Rig, context_of, rig

__all__ = ["rig"]

WHAT = {"export": "wfm_shifts", "start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}


@pytest.fixture(autouse=True)
def connections(rig: Callable[..., Rig]) -> None:
    """An organisation and a ledger on SQLite, under their default names."""
    rig()


def never() -> str:
    raise AssertionError("there is a job")


def test_every_run_gets_the_same_job(connections: None) -> None:
    assert submitted_once(WHAT, lambda: "job-1", context=context_of("first")) == "job-1"
    assert submitted_once(WHAT, never, context=context_of("first")) == "job-1"
    assert submitted_once(WHAT, never, context=context_of("second")) == "job-1"


def test_a_finished_job_stays_the_one() -> None:
    submitted_once(WHAT, lambda: "job-1", context=context_of("first"))
    assert finished(WHAT, "job-1", context=context_of("second"))
    assert submitted_once(WHAT, never, context=context_of("third")) == "job-1"


def test_a_failed_job_is_replaced_within_the_budget() -> None:
    context = context_of()
    for number in range(4):
        job_id = f"job-{number}"
        assert submitted_once(WHAT, lambda: job_id, context=context) == job_id  # noqa: B023 (called at once)
        assert failed(WHAT, job_id, "aborted", context=context)
    assert not failed(WHAT, "job-0", "too late", context=context)
    with pytest.raises(AirflowFailException, match="used up its 3 resubmissions"):
        submitted_once(WHAT, never, context=context)


def test_force_begins_afresh_once_for_each_run() -> None:
    submitted_once(WHAT, lambda: "job-1", context=context_of("first"))
    assert submitted_once(WHAT, lambda: "job-2", context=context_of("second"), force=True) == "job-2"
    assert submitted_once(WHAT, never, context=context_of("second"), force=True) == "job-2"


def test_who_comes_during_a_submission_is_retried_by_airflow() -> None:
    def submit() -> str:
        with pytest.raises(AirflowException, match=r"'wfm_shifts' is being submitted by export/first\[-1\]"):
            submitted_once(WHAT, never, context=context_of("second"))
        return "job-1"

    assert submitted_once(WHAT, submit, context=context_of("first")) == "job-1"


def test_threads_that_race_make_one_job() -> None:
    """As tasks on one machine do; what they end with is the id, or word to try again."""
    made: list[str] = []
    ends: list[Any] = []
    together = threading.Barrier(6)

    def submit() -> str:
        made.append(f"job-{len(made)}")
        return made[-1]

    def ask(run: str) -> None:
        together.wait()
        try:
            ends.append(submitted_once(WHAT, submit, context=context_of(run)))
        except AirflowException:
            ends.append(None)

    threads = [threading.Thread(target=ask, args=(f"run-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["job-0"]
    assert len(ends) == 6
    assert set(ends) - {None} == {"job-0"}


def test_an_error_of_ones_own_is_raised_as_it_is() -> None:
    error = LookupError("no such business unit")

    def submit() -> str:
        raise error

    with pytest.raises(LookupError) as raised:
        submitted_once(WHAT, submit, context=context_of())
    assert raised.value is error


def test_a_fault_that_passes_is_one_that_airflow_retries() -> None:
    def submit() -> str:
        raise Passing("come back in the morning", retry_after=30_000.0)

    with pytest.raises(AirflowException, match="come back in the morning") as raised:
        submitted_once(WHAT, submit, context=context_of())
    assert not isinstance(raised.value, AirflowFailException)


def test_a_wrong_key_is_one_that_it_does_not() -> None:
    with pytest.raises(AirflowFailException, match="'export' can't be None"):
        submitted_once({}, never, context=context_of())


def test_another_ledger_knows_nothing_of_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_LEDGER", f'{{"conn_type": "sqlite", "host": "{tmp_path}/other.db"}}')
    submitted_once(WHAT, lambda: "job-1", context=context_of())
    with pytest.raises(AirflowFailException, match="is not in the ledger"):
        finished(WHAT, "job-1", context=context_of(), ledger_conn_id="other_ledger")
