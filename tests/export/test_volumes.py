# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.export.errors import ExportError, NoAccess, Passing, Refused
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.volumes import Volumes
from tests.export.orchestrator import DAY, World, asked, hours

WEEK = timedelta(weeks=1)


@pytest.fixture
def volumes(world: World) -> Volumes:
    return Volumes(world.api, world.ledger, asked(), UTC)


def remember(world: World, recordings: int, weeks: int = 1, **filters: Any) -> None:
    window = ExportWindow(DAY.start - weeks * WEEK, DAY.end - weeks * WEEK)
    world.ledger.record_volume(asked(**filters).selection_key, window, recordings)


def test_the_platform_is_asked_for_each_window(world: World, volumes: Volumes) -> None:
    remember(world, 99_000)
    assert (volumes(DAY), volumes(hours(0, 6))) == (24, 6)
    assert world.api.volumes_asked == [DAY, hours(0, 6)]


def test_what_the_platform_says_is_remembered(world: World, volumes: Volumes) -> None:
    volumes(DAY)
    volumes(hours(0, 6))
    start = DAY.start.timestamp()
    assert world.ledger.volumes(asked().selection_key, start, start + 1) == {DAY: 24, hours(0, 6): 6}


@pytest.mark.parametrize("error", [Passing("503"), Refused("403")])
def test_history_stands_in_for_an_estimate_that_failed_and_is_not_asked_for_again(
    world: World, volumes: Volumes, error: ExportError
) -> None:
    remember(world, 4000)
    world.api.volume_faults.append(error)
    assert (volumes(DAY), volumes(hours(0, 6))) == (4000, 1000)
    assert world.api.asked["volume"] == 1


def test_nobody_knows_without_estimate_and_history(world: World, volumes: Volumes) -> None:
    world.api.volume_faults.append(Passing("503"))
    assert volumes(DAY) is None


def test_history_is_that_of_the_last_eight_weeks_and_of_the_same_selection(world: World, volumes: Volumes) -> None:
    remember(world, 4000, weeks=8)
    remember(world, 70_000, weeks=9)
    remember(world, 80_000, weeks=1, queueId="claims")
    world.api.volume_faults.append(Passing("503"))
    assert volumes(DAY) == 4000


def test_an_empty_history_is_no_proof_of_an_empty_window(world: World, volumes: Volumes) -> None:
    remember(world, 0)
    world.api.volume_faults.append(Passing("503"))
    assert volumes(DAY) == 1


def test_a_platform_that_cannot_be_spoken_to_is_no_reason_to_guess(world: World, volumes: Volumes) -> None:
    remember(world, 4000)
    world.api.volume_faults.append(NoAccess("login was refused"))
    with pytest.raises(NoAccess):
        volumes(DAY)
