# SPDX-License-Identifier: Apache-2.0
"""What is kept beside requests: plans, how many recordings windows had, how long jobs took."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.conformance.entries import DAY, hours


def test_the_first_plan_is_kept(ledger: Ledger) -> None:
    assert ledger.keep_plan("key", [hours(0, 24)]) == (hours(0, 24),)
    assert ledger.keep_plan("key", [hours(0, 6), hours(6, 24)]) == (hours(0, 24),)
    assert ledger.plan("key") == (hours(0, 24),)
    assert ledger.plan("other key") is None


def test_a_plan_is_replaced_on_demand(ledger: Ledger) -> None:
    ledger.keep_plan("key", [hours(0, 24)])
    assert ledger.keep_plan("key", [hours(0, 6), hours(6, 24)], replace=True) == (hours(0, 6), hours(6, 24))
    assert ledger.plan("key") == (hours(0, 6), hours(6, 24))
    assert ledger.keep_plan("new key", [hours(0, 6)], replace=True) == (hours(0, 6),)


def test_an_empty_plan_is_a_plan(ledger: Ledger) -> None:
    assert ledger.keep_plan("key", []) == ()
    assert ledger.plan("key") == ()


def test_a_long_plan_fits(ledger: Ledger) -> None:
    quarter = timedelta(minutes=15)
    windows = tuple(ExportWindow(DAY + n * quarter, DAY + (n + 1) * quarter) for n in range(3000))
    assert ledger.keep_plan("key", windows) == windows
    assert ledger.plan("key") == windows


def test_volumes_are_those_of_windows_that_start_in_the_range(ledger: Ledger) -> None:
    for start in range(0, 24, 6):
        ledger.record_volume("selection", hours(start, start + 6), start)
    ledger.record_volume("other selection", hours(6, 12), 99)
    since, until = hours(6, 18).start.timestamp(), hours(6, 18).end.timestamp()
    assert ledger.volumes("selection", since, until) == {hours(6, 12): 6, hours(12, 18): 12}


def test_a_volume_that_is_recorded_again_is_the_newer_one(ledger: Ledger) -> None:
    ledger.record_volume("selection", hours(0, 24), 5)
    ledger.record_volume("selection", hours(0, 6), 1)
    ledger.record_volume("selection", hours(0, 24), 7)
    assert ledger.volumes("selection", 0.0, 1e10) == {hours(0, 24): 7, hours(0, 6): 1}


def test_durations_come_newest_first_and_the_oldest_are_dropped(ledger: Ledger) -> None:
    assert ledger.durations("organisation") == ()
    for recordings in range(205):
        ledger.record_duration("organisation", recordings, recordings / 2)
    ledger.record_duration("another", 1, 2.5)
    assert ledger.durations("organisation") == tuple((n, n / 2) for n in range(204, 4, -1))
    assert ledger.durations("another") == ((1, 2.5),)
