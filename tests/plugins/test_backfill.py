# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest
from airflow.cli.cli_parser import get_parser

from airflow_provider_genesys.export.coverage import Coverage, Day, DayStatus, Gap
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days, timezone_of
from airflow_provider_genesys.plugins.backfill import command, conf_of
from airflow_provider_genesys.plugins.deployment import Deployment, deployment
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.airflow_versions import as_the_webserver_reads, dag_bag
from tests.conftest import ROOT
from tests.plugins.conftest import asked

UTC_ZONE = timezone_of("UTC")


def gap(first: datetime, last: datetime, status: DayStatus = DayStatus.NEVER) -> Gap:
    zone = first.tzinfo
    assert zone is not None
    return Gap(tuple(Day(window, status) for window in calendar_days(ExportWindow(first, last), zone)))


def days_of(zone: tzinfo, status: DayStatus = DayStatus.NEVER) -> Gap:
    """30 March to 1 April 2024: in much of Europe, clocks change between."""
    return gap(datetime(2024, 3, 30, tzinfo=zone), datetime(2024, 4, 2, tzinfo=zone), status)


def described(zone: tzinfo = UTC_ZONE, **environment: str) -> Deployment:
    return replace(deployment(environment), timezone=zone)


@pytest.mark.parametrize(
    ("airflow_3", "words"),
    [
        (
            True,
            "airflow backfill create --dag-id genesys_recordings_export --from-date 2024-03-30 --to-date 2024-04-01",
        ),
        (False, "airflow dags backfill genesys_recordings_export -s 2024-03-30 -e 2024-04-01"),
    ],
)
def test_a_gap_is_exported_by_the_dates_of_its_first_and_last_day(
    airflow_3: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "SequentialExecutor")
    assert command(days_of(UTC_ZONE), described(), {}, airflow_3=airflow_3) == words


def test_on_2_the_command_brings_an_executor_with_which_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    typed = command(days_of(UTC_ZONE), described(), {}, airflow_3=False)
    assert typed.startswith("AIRFLOW__CORE__EXECUTOR=SequentialExecutor airflow dags backfill ")
    assert command(days_of(UTC_ZONE), described(), {}, airflow_3=True).startswith("airflow backfill create ")


@pytest.mark.parametrize(
    ("airflow_3", "words"), [(True, " --reprocess-behavior failed"), (False, " --rerun-failed-tasks")]
)
def test_days_that_were_tried_run_again(airflow_3: bool, words: str) -> None:
    tried = days_of(UTC_ZONE, DayStatus.FAILED)
    assert command(tried, described(), {}, airflow_3=airflow_3).endswith(words)


def arguments_of(typed: str) -> Any:
    """What Airflow's own command line understands."""
    return get_parser().parse_args(shlex.split(typed)[1:])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_airflow_takes_the_command_for_runs_of_exactly_these_days(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_TIMEZONE", zone)
    bag = dag_bag(ROOT / "dags/genesys_recordings_export.py")
    dag = as_the_webserver_reads(bag.dags["genesys_recordings_export"])
    wanted = days_of(timezone_of(zone), DayStatus.INCOMPLETE)
    arguments = arguments_of(command(wanted, described(timezone_of(zone)), {"filters": {"queueId": "it's; rm -rf"}}))
    since, until = (
        (arguments.from_date, arguments.to_date) if IS_AIRFLOW_3 else (arguments.start_date, arguments.end_date)
    )
    runs = [
        ExportWindow(run.data_interval.start, run.data_interval.end)
        for run in dag.iter_dagrun_infos_between(since, until)
    ]
    assert runs == [day.window for day in wanted.days]
    assert arguments.dag_id == "genesys_recordings_export"
    conf = arguments.dag_run_conf if IS_AIRFLOW_3 else arguments.conf
    assert json.loads(conf) == {"filters": {"queueId": "it's; rm -rf"}}


def test_another_dag_is_named_where_the_deployment_says_so() -> None:
    typed = command(days_of(UTC_ZONE), described(GENESYS_COVERAGE_DAG_ID="calls"), {})
    assert "calls" in shlex.split(typed)


def coverage(*destinations: str, **change: Any) -> Coverage:
    return Coverage(asked(1, **change), destinations, ())


def test_the_dags_own_selection_wants_no_params() -> None:
    own = coverage("s3://bucket/a", media_format="original")
    assert conf_of(own, [own, coverage(filters={"queueId": "a"})], described()) == {}
    assert conf_of(own, [own], described(GENESYS_EXPORT_MEDIA_FORMAT="original")) == {}


def test_a_selection_that_is_not_the_dags_own_is_named() -> None:
    wav, mp3 = coverage("s3://bucket/a", media_format="wav"), coverage()
    assert conf_of(wav, [wav], described(GENESYS_EXPORT_MEDIA_FORMAT="mp3")) == {
        "media_format": "wav",
        "destination": "s3://bucket/a",
    }
    assert conf_of(mp3, [wav, mp3], described()) == {"media_format": "mp3"}
    queue = coverage(filters={"queueId": "a"}, media=("audio", "screen"))
    assert conf_of(queue, [queue, mp3], described()) == {
        "filters": {"queueId": "a"},
        "media": ["audio", "screen"],
    }


@pytest.mark.parametrize(
    ("remembered", "named"),
    [
        ("s3://bucket/a/b", "s3://conn@bucket/a/b"),
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://other-bucket/a/b", "s3://other-bucket/a/b"),
        ("https://account.blob.core.windows.net/calls/a", "abfs://azure@calls/a"),
        ("gs://calls", "gs://google@calls"),
        ("file:///archive/a", "file:///archive/a/"),
    ],
)
def test_a_destination_is_named_with_its_connection_where_that_is_known(remembered: str, named: str) -> None:
    known = "s3://conn@bucket/a/b abfs://azure@calls/a gs://google@calls file:///archive/a/"
    queue = coverage(remembered, filters={"queueId": "a"})
    assert conf_of(queue, [queue], described(GENESYS_COVERAGE_DESTINATIONS=known))["destination"] == named


def test_a_date_is_airflows_own_midnight_or_has_its_offset() -> None:
    berlin = timezone_of("Europe/Berlin")
    days = days_of(berlin)
    assert "2024-03-30T00:00:00+01:00" in command(days, described(berlin), {})
    assert "2024-04-01T00:00:00+02:00" in command(days, described(berlin), {})
    at_home = replace(described(berlin), naive_timezone=berlin)
    assert shlex.split(command(days, at_home, {}))[-1] == "2024-04-01"


def test_a_naive_date_is_read_in_airflows_default_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert datetime(2024, 5, 1, tzinfo=deployment({}).naive_timezone) == datetime(2024, 5, 1, tzinfo=UTC)
    monkeypatch.setenv("AIRFLOW__CORE__DEFAULT_TIMEZONE", "Europe/Berlin")
    assert str(deployment({}).naive_timezone) == "Europe/Berlin"
