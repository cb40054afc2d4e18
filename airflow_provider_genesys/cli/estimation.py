# SPDX-License-Identifier: Apache-2.0
"""From what a person types to the estimate of a range."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from airflow_provider_genesys.cli.lookup import hook_of, known_ledger_of
from airflow_provider_genesys.export.census import DayCount, days_counted, spans_counted
from airflow_provider_genesys.export.estimate import Assumptions, Limits, estimate
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow
from airflow_provider_genesys.export.planning import calendar_days, check_interval, timezone_of
from airflow_provider_genesys.wiring import counting_api

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_genesys.export.ports import ExportApi


def estimated(arguments: Namespace) -> dict[str, Any]:
    """The estimate as a document, with what it rests on.

    :raises ExportError: for arguments that make no sense, and where the platform can't be asked.
    """
    interval = check_interval(arguments.since, arguments.until, datetime.now(UTC))
    timezone = timezone_of(arguments.timezone)
    hook = hook_of(arguments.genesys_conn_id)
    record = known_ledger_of(arguments.ledger_conn_id)
    limits = Limits(
        requests_per_minute=hook.limits.requests_per_minute,
        polls_per_minute=hook.limits.polls_per_minute,
        max_recordings_per_job=arguments.max_recordings_per_job,
        runs_at_a_time=arguments.max_active_runs,
        poll_interval=arguments.poll_interval,
        max_poll_interval=arguments.max_poll_interval,
    )
    history = record.durations(str(hook.organisation)) if record and arguments.seconds_per_recording is None else ()
    assumptions = Assumptions(
        bytes_per_recording=arguments.bytes_per_recording,
        bytes_per_second=arguments.bytes_per_second,
        busy_hours=arguments.busy_hours,
        history=history,
    )
    if arguments.seconds_per_recording is not None:
        assumptions = replace(assumptions, seconds_per_recording=arguments.seconds_per_recording)
    api = counting_api(hook, record)
    selection = api.checked(ExportRequest(hook.organisation, interval, arguments.media_format, arguments.filters))
    asked = 0

    def count(window: ExportWindow) -> int:
        nonlocal asked
        asked += 1
        return api.volume(replace(selection, window=window))

    counted = _counted(api, interval, timezone, count, limits.max_recordings_per_job)
    costs = hook.costs(selection.media_format, arguments.export_api)
    found = estimate([(one.day, one.recordings) for one in counted], limits, assumptions, costs)
    return {
        "organisation": str(hook.organisation),
        "export_api": arguments.export_api or hook.export_api,
        **interval.to_dict(),
        **asdict(found),
        "days_counted": sum(one.is_counted for one in counted),
        "asked": asked,
        "limits": asdict(limits),
        "assumptions": {
            "seconds_per_recording": assumptions.learned_seconds_per_recording,
            "seconds_per_recording_from": "ledger" if assumptions.is_learned else "assumption",
            "bytes_per_recording": assumptions.bytes_per_recording,
            "bytes_per_second": assumptions.bytes_per_second,
            "busy_hours": assumptions.busy_hours,
        },
    }


def _counted(
    api: ExportApi, interval: ExportWindow, timezone: tzinfo, count: Callable[[ExportWindow], int], limit: int
) -> list[DayCount]:
    days = list(calendar_days(interval, timezone))
    since = api.countable_since()
    if since is None:
        return spans_counted(days, count, limit)
    return days_counted(days, count, since, time.time(), timezone)
