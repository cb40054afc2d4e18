# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_genesys.operators.recordings import ReconcileExportOperator, RetrieveRecordingsOperator
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from tests.operators.test_base import LazySequence
from tests.rig import CALLS, PACE, WINDOW, Rig, context_of, run

WHOLE = {
    "expected": CALLS,
    "archived": CALLS,
    "unavailable": 0,
    "failed": 0,
    "windows": 1,
    "jobs": 1,
    "attempts": 1,
    "complete": True,
}


def reconciling(rig: Rig, **arguments: Any) -> ReconcileExportOperator:
    given = {"windows": [WINDOW], "destination": rig.destination, "media_format": "mp3", **PACE, **arguments}
    return ReconcileExportOperator(task_id="reconcile", **given)


def export(rig: Rig) -> None:
    """Export the day, whatever becomes of it."""
    context = context_of()
    sensor = ExportJobSensor(task_id="wait", job_ids=rig.submit(context), deferrable=True, **PACE)
    job_ids = run(sensor, context)
    run(RetrieveRecordingsOperator(task_id="get", job_ids=job_ids, destination=rig.destination, **PACE), context)


def test_a_whole_day_is_stated(rig: Callable[..., Rig]) -> None:
    platform = rig()
    export(platform)
    assert reconciling(platform).execute(context_of()) == WHOLE
    report = json.loads((platform.archive / "reports/20240501T000000Z_20240502T000000Z.json").read_text())
    assert {name: report[name] for name in WHOLE} == WHOLE
    assert report["missing"] == []


@pytest.mark.parametrize("windows", [WINDOW, (WINDOW,), LazySequence(WINDOW)])
def test_windows_come_as_any_sequence_or_singly(rig: Callable[..., Rig], windows: Any) -> None:
    platform = rig()
    export(platform)
    assert reconciling(platform, windows=windows).execute(context_of()) == WHOLE


def test_an_interval_without_windows_is_complete(rig: Callable[..., Rig]) -> None:
    counts = reconciling(rig(), windows=[]).execute(context_of())
    assert (counts["expected"], counts["windows"], counts["complete"]) == (0, 0, True)


def test_an_interval_that_was_not_planned_fails(rig: Callable[..., Rig]) -> None:
    with pytest.raises(AirflowFailException, match="the interval was not planned"):
        reconciling(rig(), windows=None).execute(context_of())


def test_a_window_without_a_receipt_fails_the_day(rig: Callable[..., Rig]) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=r"is incomplete(.|\n)*the whole window failed: it has no receipt"):
        reconciling(platform).execute(context_of())
    assert platform.asked_for() == {}


def test_what_is_missing_is_named(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("storage_gone", every=CALLS, times=None),))
    with pytest.raises(AirflowFailException):
        export(platform)
    last = max(platform.simulator.jobs[0].calls(platform.simulator.universe), key=lambda call: call.index)
    with pytest.raises(AirflowFailException, match=f"archived {CALLS - 1}.*failed 1") as raised:
        reconciling(platform).execute(context_of())
    assert f"recording '{last.recording_id}' failed" in str(raised.value)


def test_a_long_list_of_what_is_missing_is_cut(rig: Callable[..., Rig]) -> None:
    platform = rig(volumes={"2024-05-01": 30}, faults=(Fault("storage_gone", times=None),))
    with pytest.raises(AirflowFailException):
        export(platform)
    with pytest.raises(AirflowFailException, match="and 10 more, which the report names") as raised:
        reconciling(platform).execute(context_of())
    assert str(raised.value).count("recording '") == 20


def test_what_the_platform_could_not_provide_is_reported(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("null_urls", every=6),))
    export(platform)
    counts = reconciling(platform).execute(context_of())
    assert (counts["archived"], counts["unavailable"], counts["complete"]) == (CALLS - 2, 2, True)


def test_what_the_platform_could_not_provide_may_fail_the_day(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("null_urls", every=6),))
    export(platform)
    with pytest.raises(AirflowFailException, match="unavailable 2") as raised:
        reconciling(platform, on_unavailable="fail").execute(context_of())
    assert str(raised.value).count("no URL: its transcoding failed") == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"on_unavailable": "ignore"}, "on_unavailable must be report or fail"),
        ({"media_format": "default"}, "say mp3 or wav explicitly"),
        ({"windows": "today"}, "windows must be a list"),
        ({"windows": 5}, "windows must be a list"),
        ({"windows": [{"start": "today"}]}, "not a window"),
        ({"start": "2024-05-01T00:00:00Z"}, "give 'start' and 'end' together"),
        ({"destination": "s3:///prefix"}, "names no bucket"),
    ],
)
def test_nonsense_is_refused(rig: Callable[..., Rig], arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AirflowFailException, match=complaint):
        reconciling(rig(), **arguments).execute(context_of())
