# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    Asset,
    conf,
)

from airflow_provider_genesys.lineage import RECONCILIATION
from airflow_provider_genesys.operators.recheck import PlanRecheckOperator, ReconcileRecheckOperator
from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
)
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from tests.rig import PACE, WINDOW, Rig, context_of, run

BLOCKS = {"max_recordings_per_job": 6}
"""The day's twelve calls make four windows."""

LATE = Fault("late_recordings", every=5)
SECOND = {"start": "2024-05-01T06:00:00Z", "end": "2024-05-01T12:00:00Z"}
DAY_SPAN = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
FOURTH = {"start": "2024-05-01T18:00:00Z", "end": "2024-05-02T00:00:00Z"}


def made(kind: Any, rig: Rig, zone: str = "UTC", **arguments: Any) -> Any:
    with DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1, tz=zone)):
        given = {"media_format": "mp3", "destination": rig.destination, **PACE, **BLOCKS, **arguments}
        return kind(task_id="task", **given)


def planned(rig: Rig, run_id: str = "recheck", **arguments: Any) -> list[dict[str, str]]:
    return list(made(PlanRecheckOperator, rig, **{**WINDOW, **arguments}).execute(context_of(run_id)))


def reconciled(rig: Rig, windows: Any, run_id: str = "recheck", **arguments: Any) -> dict[str, Any]:
    return dict(made(ReconcileRecheckOperator, rig, windows=windows, **arguments).execute(context_of(run_id)))


def export(rig: Rig, windows: list[dict[str, str]]) -> None:
    """The steps of the mapped group, for each window."""
    for window in windows:
        context = context_of(f"export {window['start']}")
        job_ids = run(rig.submitting(window=window, **BLOCKS), context)
        job_ids = run(ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=True, **PACE, **BLOCKS), context)
        retrieve = RetrieveRecordingsOperator(
            task_id="retrieve", job_ids=job_ids, destination=rig.destination, **PACE, **BLOCKS
        )
        run(retrieve, context)


def report_of(rig: Rig) -> dict[str, Any]:
    (file,) = (rig.archive / "reports").iterdir()
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture
def exported(rig: Callable[..., Rig]) -> Rig:
    """A day of which two calls of twelve were not known yet when it was exported, and are now."""
    built = rig()
    built.simulator.faults = [LATE]
    plan = PlanExportOperator(task_id="plan", dag=DAG("day", schedule=None), media_format="mp3", **PACE, **BLOCKS)
    windows = plan.execute(context_of("daily"))
    export(built, windows)
    made(ReconcileExportOperator, built, windows=windows).execute(context_of("daily"))
    built.simulator.faults = []
    return built


def test_the_windows_of_which_there_is_more_are_returned(exported: Rig) -> None:
    jobs = len(exported.simulator.jobs)
    assert planned(exported) == [SECOND, FOURTH]
    assert len(exported.simulator.jobs) == jobs, "that is the next task's to do"


def test_a_day_of_which_nothing_is_new_costs_one_count(exported: Rig) -> None:
    export(exported, planned(exported))
    before = exported.simulator.stats.requests
    assert planned(exported, "next") == []
    assert dict(exported.simulator.stats.requests - before) == {"volume": 1}


def test_the_days_are_reconciled_and_say_what_came_late(exported: Rig) -> None:
    windows = planned(exported)
    export(exported, windows)
    assert reconciled(exported, windows) == {"days": 1, "new": 2}
    report = report_of(exported)
    assert (report["archived"], report["complete"], len(report["by_window"])) == (12, True, 4)
    (told,) = report["rechecks"]
    assert (told["run"], told["windows"], told["reopened"], told["new"]) == ("export/recheck", 4, 2, 2)
    assert datetime.fromisoformat(told["at"]) <= datetime.now(UTC)


def test_assets_and_lineage_are_told_of_all_its_days_together(exported: Rig) -> None:
    asset, context = Asset("genesys://recordings"), context_of("recheck")
    context["outlet_events"] = {asset: SimpleNamespace(extra=None)}
    windows = planned(exported)
    export(exported, windows)
    task = made(ReconcileRecheckOperator, exported, windows=windows, outlets=[asset])
    task.execute(context)
    told = {"expected": 12, "archived": 12, "unavailable": 0, "failed": 0, **DAY_SPAN}
    assert context["outlet_events"][asset].extra == told
    (archive,) = task.get_openlineage_facets_on_complete(None).outputs
    facet = archive.outputFacets[RECONCILIATION]
    assert {name: getattr(facet, name) for name in told} == told


def test_a_single_window_may_come_by_itself(exported: Rig) -> None:
    windows = planned(exported)
    export(exported, windows)
    assert reconciled(exported, windows[0])["days"] == 1


def test_where_nothing_came_late_reconciling_is_skipped(exported: Rig) -> None:
    before = report_of(exported)
    with pytest.raises(AirflowSkipException, match="nothing came late"):
        reconciled(exported, [])
    assert report_of(exported) == before


def test_what_is_missing_fails_the_task_and_is_told(exported: Rig) -> None:
    windows = planned(exported)
    export(exported, windows[:1])
    exported.simulator.faults = [Fault("storage_gone", every=1, times=None)]
    with pytest.raises(AirflowException):
        export(exported, windows[1:])
    with pytest.raises(AirflowFailException, match=r"is incomplete \(expected 12, archived 11"):
        reconciled(exported, windows)
    assert report_of(exported)["rechecks"][0]["new"] == 1


def test_without_a_plan_nothing_is_said(exported: Rig) -> None:
    with pytest.raises(AirflowFailException, match="the recheck was not planned"):
        reconciled(exported, None)


def test_the_last_days_that_have_settled_are_counted(rig: Callable[..., Rig]) -> None:
    """Midnights of the DAG's zone; what is not settled is left for later."""
    built = rig()
    for minutes, newest in ((0.0, 0), (48 * 60.0, 2)):
        plan = made(PlanRecheckOperator, built, "Europe/Berlin", days="7", settle_minutes=minutes)
        days = list(plan._settled_days(context_of()))
        today = pendulum.now("Europe/Berlin").start_of("day")
        assert len(days) == 7
        assert (days[0].start, days[-1].end) == (today.subtract(days=7 + newest), today.subtract(days=newest))


def test_it_needs_no_data_interval(rig: Callable[..., Rig]) -> None:
    context = {name: value for name, value in context_of().items() if not name.startswith("data_interval")}
    assert made(PlanRecheckOperator, rig(), days=3).execute(context) == []


def test_the_days_are_those_of_the_zone(rig: Callable[..., Rig]) -> None:
    windows = [
        {"start": "2024-03-30T23:00:00Z", "end": "2024-03-31T04:00:00Z"},  # the clocks went forward
        {"start": "2024-03-31T04:00:00Z", "end": "2024-03-31T22:00:00Z"},
        {"start": "2024-03-31T22:00:00Z", "end": "2024-04-01T22:00:00Z"},
    ]
    days = made(ReconcileRecheckOperator, rig(), "Europe/Berlin", windows=windows)._days_with_news()
    assert [day.length for day in days] == [timedelta(hours=23), timedelta(hours=24)]
    assert days[0].start.isoformat() == "2024-03-30T23:00:00+00:00"


def test_no_more_windows_come_than_airflow_maps(exported: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = conf.getint
    monkeypatch.setattr(conf, "getint", lambda *of, **with_: 1 if of[1] == "max_map_length" else longest(*of, **with_))
    assert planned(exported) == [SECOND]
    export(exported, [SECOND])
    assert planned(exported, "next") == [FOURTH], "the rest comes next time"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"start": "", "end": "", "days": "0"}, "days must be at least 1"),
        ({"start": "", "end": "", "days": "many"}, "days must be a number"),
        ({"start": "", "end": "", "settle_minutes": "x"}, "settle_minutes must be a number"),
        ({"end": "2999-01-01T00:00:00Z"}, "not over yet"),
        ({"timezone": "Europe/Nowhere"}, "timezone is 'Europe/Nowhere'"),
        ({"media_format": "ogg"}, "say mp3 or wav explicitly"),
    ],
)
def test_nonsense_is_refused_before_any_request(
    rig: Callable[..., Rig], arguments: dict[str, Any], complaint: str
) -> None:
    built = rig()
    with pytest.raises(AirflowFailException, match=complaint):
        planned(built, **arguments)
    assert built.asked_for() == {}
