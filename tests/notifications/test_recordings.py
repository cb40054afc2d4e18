# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_genesys.notifications.recordings import ExportFailureNotifier
from airflow_provider_genesys.simulator import Fault
from tests.operators.test_reconcile import export, reconciling
from tests.rig import CALLS, SECRET, Rig, context_of

REPORT = "reports/20240501T000000Z_20240502T000000Z.json"


def told(destination: str, shown: int = 5, **context: Any) -> str:
    """The one message that is sent of a run that failed."""
    messages: list[str] = []
    dag = DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1))
    params = {"destination": destination, "start": None, "end": None}
    known = {**context_of(), "dag": dag, "run_id": "scheduled", "params": params, **context}
    ExportFailureNotifier(send=messages.append, shown=shown)(known)
    (message,) = messages
    return message


def failed_day(rig: Callable[..., Rig], *faults: Fault) -> Rig:
    """A day that was exported as far as it could, and reconciled."""
    platform = rig(faults=faults)
    with pytest.raises(AirflowFailException):
        export(platform)
    with pytest.raises(AirflowFailException):
        reconciling(platform).execute(context_of())
    return platform


def test_one_message_says_what_is_missing_and_what_to_do(rig: Callable[..., Rig]) -> None:
    platform = failed_day(rig, Fault("storage_gone", every=CALLS, times=None))
    (missing,) = json.loads((platform.archive / REPORT).read_text())["missing"]
    first, counts, recording, page, advice = told(platform.destination).splitlines()
    assert first == "export, run scheduled, has failed."
    assert counts == (
        f"the export of [2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z) is incomplete (expected {CALLS}, "
        f"archived {CALLS - 1}, unavailable 0, failed 1):"
    )
    assert f"recording '{missing['recording_id']}' failed: {missing['reason']}" in recording
    assert page == f"The report is at {(platform.archive / REPORT).as_uri()}"
    assert advice.startswith("Mend the cause, clear")


def test_the_first_few_recordings_are_named(rig: Callable[..., Rig]) -> None:
    platform = failed_day(rig, Fault("storage_gone", times=None))
    message = told(platform.destination, shown=3)
    assert message.count("recording '") == 3
    assert f"and {CALLS - 3} more, which the report names" in message


def test_recordings_that_may_not_lack_are_named(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("null_urls", every=6),))
    export(platform)
    with pytest.raises(AirflowFailException):
        reconciling(platform, on_unavailable="fail").execute(context_of())
    assert told(platform.destination).count("unavailable: ") == 2


def test_a_day_that_was_never_reconciled_has_no_report(tmp_path: Path) -> None:
    message = told(tmp_path.as_uri())
    assert "There is no report of [2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z)" in message
    assert "The log of the first task that failed" in message


def test_the_report_of_an_earlier_run_is_not_taken_for_that_of_this_one(rig: Callable[..., Rig]) -> None:
    platform = rig()
    export(platform)
    reconciling(platform).execute(context_of())
    assert "of an earlier run, nothing is missing" in told(platform.destination)


def test_the_params_of_a_run_win_over_its_data_interval(rig: Callable[..., Rig], tmp_path: Path) -> None:
    params = {"destination": tmp_path.as_uri(), "start": "2024-04-01T00:00:00Z", "end": "2024-04-02T00:00:00Z"}
    assert "There is no report of [2024-04-01T00:00:00Z, 2024-04-02T00:00:00Z)" in told("", params=params)


def test_one_notifier_serves_several_runs(tmp_path: Path) -> None:
    """The DAG processor calls back for all runs of a file that have failed, one after the other."""
    messages: list[str] = []
    notifier = ExportFailureNotifier(send=messages.append)
    dag = DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1))
    for day in ("01", "03"):
        params = {"destination": tmp_path.as_uri(), "start": f"2024-04-{day}T00:00:00Z", "end": "2024-04-04T00:00:00Z"}
        notifier({**context_of(), "dag": dag, "run_id": day, "params": params})
    assert ["2024-04-01" in messages[0], "2024-04-03" in messages[1]] == [True, True]


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ({"params": {"destination": "ftp://calls", "start": None, "end": None}}, "has the scheme 'ftp'"),
        ({"data_interval_start": None, "data_interval_end": None}, "this run has no data interval"),
        ({"params": {"destination": "gs://nowhere@calls", "start": None, "end": None}}, "(AirflowNotFoundException)"),
        ({"params": {}}, "(UndefinedError)"),
    ],
)
def test_a_message_is_sent_whatever_can_not_be_found_out(tmp_path: Path, context: dict[str, Any], why: str) -> None:
    message = told(tmp_path.as_uri(), **context)
    assert message.startswith("export, run scheduled, has failed.\nWhat is missing could not be found out")
    assert why in message


def test_a_report_that_is_none_is_none(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / REPORT).write_text("{")
    assert "There is no report of" in told(tmp_path.as_uri())


def test_by_default_it_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    dag = DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1))
    params = {"destination": tmp_path.as_uri(), "start": None, "end": None}
    ExportFailureNotifier()({**context_of(), "dag": dag, "run_id": "scheduled", "params": params})
    assert "export, run scheduled, has failed." in caplog.text + capsys.readouterr().out


def test_it_tells_no_secret(rig: Callable[..., Rig]) -> None:
    platform = failed_day(rig, Fault("storage_gone", times=None))
    message = told(platform.destination, shown=CALLS)
    issued = [secret for secrets in platform.simulator.issued.values() for secret in secrets]
    assert not [secret for secret in (SECRET, *issued) if secret in message]
