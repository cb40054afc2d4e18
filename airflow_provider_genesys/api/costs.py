# SPDX-License-Identifier: Apache-2.0
"""The requests that an export costs with each of the APIs, for the estimate of a range."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from airflow_provider_genesys.api.analytics import PAGE, QUERY_AGE, QUERY_LIMIT, RESULTS_PAGE
from airflow_provider_genesys.api.batch import LOT
from airflow_provider_genesys.api.bulkjobs import SLOTS
from airflow_provider_genesys.export.estimate import Costs, Day, Window

_POLLS_OF_A_DETAILS_JOB = 4
"""How often a details job is asked for until it is done: one of some seconds."""

_NAMES = 2
"""A window's manifests want the names of queues and of agents: a page of each."""

_SETTINGS = 2
"""Whoever waits for a window's jobs, and whoever fetches what they hold, look up how long URLs live."""

_AVAILABILITY = 1


def details_job(conversations: int) -> int:
    """The requests of a details job that finds so many conversations: its submission, polls and pages."""
    return 1 + _POLLS_OF_A_DETAILS_JOB + max(1, -(-conversations // RESULTS_PAGE))


def search(day: Day, conversations: int, *, is_old: bool) -> int:
    """The requests of one search for so many conversations of a day.

    A query shows all of its day, and one that finds too many gives way to a details job, which takes only what it is
    asked for. So does a day that is too old for a query.
    """
    if is_old:
        return details_job(conversations)
    if day.day.recordings > QUERY_LIMIT:
        return 1 + details_job(conversations)
    return max(1, -(-day.day.recordings // PAGE))


def _planning(now: Callable[[], float], day: Day) -> int:
    """The day's volume, and where it is cut a search for all of it, in which its parts are counted."""
    recordings, is_old = day.day.recordings, _is_old(day, now())
    volume = search(day, recordings, is_old=True) if is_old else 1
    is_searched = len(day.windows) > 1 and not is_old
    return _AVAILABILITY + volume + (search(day, recordings, is_old=False) if is_searched else 0)


def _window_of_batches(now: Callable[[], float], day: Day, window: Window) -> int:
    """One search finds the conversations of its jobs, another what the manifests say of them."""
    searches = 2 * search(day, window.recordings, is_old=_is_old(day, now()))
    return _AVAILABILITY + searches + _SETTINGS + _NAMES


def _window_of_a_bulk_job(day: Day, window: Window) -> int:
    return _AVAILABILITY + details_job(window.recordings) + _NAMES


def _is_old(day: Day, now: float) -> bool:
    return day.day.window.start.timestamp() <= now - QUERY_AGE.total_seconds()


def costs_of(export_api: str, media_format: str, now: Callable[[], float] = time.time) -> Costs:
    """What an export costs by the API of a name.

    :param media_format: as a request has it; ``batch`` asks for each conversation where it is to be mp3 or wav.
    :param now: when it is made, epoch seconds: days that are older than some weeks are searched by details jobs.
    """
    planning = partial(_planning, now)
    if export_api == "bulk":
        return replace(BULK, planning=planning)
    if export_api == "batch":
        window = partial(_window_of_batches, now)
        is_transcoded = media_format in ("mp3", "wav")
        batch = Costs(lot=LOT, planning=planning, window=window)
        return replace(batch, submission=0, poll=None) if is_transcoded else batch
    return GUIDE


GUIDE = Costs()
BULK = Costs(start=1, retrieval=1, window=_window_of_a_bulk_job, jobs_at_a_time=SLOTS, waiting=_AVAILABILITY)
