# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_genesys.operators.recordings import ReconcileExportOperator, RetrieveRecordingsOperator
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from tests.operators.test_base import LazySequence
from tests.rig import CALLS, DAY, PACE, WINDOW, Rig, context_of, run

README = Path(__file__).parents[2] / "README.md"
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


# -- index and verification ------------------------------------------------------------------------------------------


def test_the_readmes_query_is_answered_by_an_archive(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("null_urls", every=6),))
    export(platform)
    reconciling(platform, index=True).execute(context_of())
    (query,) = re.findall(r"```sql\n(SELECT.*?)```", README.read_text(), re.DOTALL)
    found = duckdb.sql(query.replace("archive/", f"{platform.archive}/")).fetchall()
    calls = [
        call
        for job in platform.simulator.jobs
        for call in job.calls(platform.simulator.universe)
        if (platform.archive / f"recordings/{call.recording_id}.mp3").exists()
    ]
    assert len(calls) == CALLS - 2
    minutes: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        minutes[call.queue_name, call.agent_name].append(call.duration_ms / 60_000)
    assert {(queue, agent): (number, round(sum_, 6)) for queue, agent, number, sum_ in found} == {
        who: (len(each), round(sum(each), 6)) for who, each in minutes.items()
    }


def test_the_index_names_every_recording_whatever_became_of_it(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("null_urls", every=6),))
    export(platform)
    reconciling(platform).execute(context_of())
    table = f"'{platform.archive}/index/20240501T000000Z_20240502T000000Z.parquet'"
    counts = duckdb.sql(f"SELECT status, count(*), count(key), count(sha256) FROM {table} GROUP BY ALL").fetchall()
    assert sorted(counts) == [("archived", CALLS - 2, CALLS - 2, CALLS - 2), ("unavailable", 2, 0, 0)]
    assert duckdb.sql(f"SELECT DISTINCT date, media_format FROM {table}").fetchall() == [(DAY.date(), "mp3")]


def test_no_index_is_written_where_none_is_wanted(rig: Callable[..., Rig]) -> None:
    platform = rig()
    export(platform)
    reconciling(platform, index=False).execute(context_of())
    assert not (platform.archive / "index").exists()


@pytest.mark.parametrize("verify", [True, "True", "true"])
def test_an_object_that_is_not_what_its_receipt_says_fails_a_day_that_is_verified(
    rig: Callable[..., Rig], verify: Any
) -> None:
    platform = rig()
    export(platform)
    assert reconciling(platform, verify=verify).execute(context_of()) == WHOLE
    altered, gone, *_ = sorted((platform.archive / "recordings").iterdir())
    altered.write_bytes(bytes(altered.stat().st_size))
    gone.unlink()
    assert reconciling(platform, verify="False").execute(context_of()) == WHOLE, "receipts alone don't tell"
    with pytest.raises(AirflowFailException, match="is incomplete") as raised:
        reconciling(platform, verify=verify).execute(context_of())
    assert f"recording '{gone.stem}': recordings/{gone.name} is not there" in str(raised.value)
    assert f"recording '{altered.stem}': recordings/{altered.name} has the SHA-256" in str(raised.value)
    report = json.loads((platform.archive / "reports/20240501T000000Z_20240502T000000Z.json").read_text())
    assert (report["verified"], len(report["errors"])) == (CALLS, 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"verify": "perhaps"}, "verify must be true or false"),
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
