# SPDX-License-Identifier: Apache-2.0
"""What the page is told, as JSON: the days of some years, and all that is known of one day.

It holds what the ledger and receipts hold: no secret, no presigned URL. Times are ISO 8601 in UTC, days are the
deployment's calendar days; what is not known is null.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import wraps
from typing import Any

from airflow_provider_genesys.cli.lookup import known_ledger_of
from airflow_provider_genesys.export.coverage import Coverage, Day, DayStatus, Gap, coverages, gaps
from airflow_provider_genesys.export.errors import ExportError, InvalidInput
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.plugins.backfill import command, conf_of
from airflow_provider_genesys.plugins.deployment import Deployment, deployment
from airflow_provider_genesys.plugins.windows import windows_of
from airflow_provider_genesys.wiring import DEFAULT_LEDGER

logger = logging.getLogger(__name__)

YEARS = 3
"""Calendar years that are shown at first, and added by each look further back."""

Query = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer of the web server, in JSON.

    :param status: of HTTP.
    """

    status: int
    body: bytes


def _answering(ask: Callable[[Query, Ledger, Deployment], dict[str, Any]]) -> Callable[[Query], Answer]:
    @wraps(ask)
    def answer(query: Query) -> Answer:
        try:
            ledger = known_ledger_of(DEFAULT_LEDGER, logger.debug)
            found = ask(query, ledger, deployment()) if ledger else {"selections": []}
        except InvalidInput as error:
            return _answer(400, {"error": str(error)})
        except ExportError as error:
            return _answer(503, {"error": str(error)})
        return _answer(200, found)

    return answer


@_answering
def coverage(query: Query, ledger: Ledger, deployment: Deployment) -> dict[str, Any]:
    """The days of whole years up to yesterday, for each selection that the ledger holds there.

    :param query: ``since``, the first year; by default the last :data:`YEARS`.
    """
    yesterday = _yesterday(ledger, deployment.timezone)
    first_year = _number(query, "since", yesterday.year - YEARS + 1)
    found = _coverages(ledger, deployment, date(first_year, 1, 1), yesterday)
    return {
        "since": first_year,
        "until": yesterday.isoformat(),
        "timezone": str(deployment.timezone),
        "dag_id": deployment.dag_id,
        "selections": [_selection(each, found, deployment) for each in found],
    }


@_answering
def day(query: Query, ledger: Ledger, deployment: Deployment) -> dict[str, Any]:
    """One day of one selection: its windows with jobs, attempts and what is missing, and the command that exports it.

    :param query: ``selection``, as :func:`coverage` names it, and ``day``.
    """
    asked = _date(query)
    found = _coverages(ledger, deployment, asked, asked)
    ((window,), selection) = list(_days(asked, asked, deployment.timezone)), query.get("selection")
    windows = windows_of(ledger, window, str(selection), deployment.destinations)
    shown = next((each for each in found if each.asked.selection_key == selection), None)
    return {
        "day": asked.isoformat(),
        **window.to_dict(),
        **(_day(shown.days[0]) if shown else {"status": DayStatus.NEVER}),
        "windows": windows,
    }


def _coverages(ledger: Ledger, deployment: Deployment, first: date, last: date) -> list[Coverage]:
    days = list(_days(first, last, deployment.timezone))
    if not days:
        return []
    since, until = days[0].start.timestamp(), days[-1].end.timestamp()
    return coverages(ledger.standings(since, until), lambda key: ledger.volumes(key, since, until), days)


def _selection(found: Coverage, among: Sequence[Coverage], deployment: Deployment) -> dict[str, Any]:
    """A selection with its days from the year in which it begins."""
    known = [day for day in found.days if day.status is not DayStatus.NEVER]
    first = _date_of(known[0], deployment)
    days = [day for day in found.days if _date_of(day, deployment).year >= first.year]
    conf = conf_of(found, among, deployment)
    asked = found.asked
    return {
        "key": asked.selection_key,
        "organisation": str(asked.organisation),
        "media_format": asked.media_format,
        "media": list(asked.media),
        "filters": dict(asked.filters),
        "destinations": list(found.destinations),
        "first": first.isoformat(),
        "is_default": not conf,
        "days": {_date_of(day, deployment).isoformat(): _day(day) for day in known},
        "gaps": [_gap(gap, deployment, conf, first) for gap in gaps(days)],
    }


def _gap(gap: Gap, deployment: Deployment, conf: Mapping[str, Any], first: date) -> dict[str, Any]:
    begin = _date_of(gap.days[0], deployment)
    return {
        "from": begin.isoformat(),
        "to": _date_of(gap.days[-1], deployment).isoformat(),
        "days": len(gap.days),
        "before_first": begin < first,
        "command": command(gap, deployment, conf),
    }


def _day(day: Day) -> dict[str, Any]:
    checked = None if day.checked_at is None else datetime.fromtimestamp(day.checked_at, UTC)
    return {
        "status": day.status,
        "count": day.windows,
        "archived": day.archived,
        "recordings": day.recordings,
        "checked_at": checked and checked.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def _days(first: date, last: date, timezone: tzinfo) -> Iterator[ExportWindow]:
    """The calendar days from the first to the last one."""
    begin, end = (datetime(each.year, each.month, each.day, tzinfo=timezone) for each in (first, last + timedelta(1)))
    return calendar_days(ExportWindow(begin, end), timezone) if begin < end else iter(())


def _date_of(day: Day, deployment: Deployment) -> date:
    return day.window.start.astimezone(deployment.timezone).date()


def _yesterday(ledger: Ledger, timezone: tzinfo) -> date:
    return datetime.fromtimestamp(ledger.now(), timezone).date() - timedelta(days=1)


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isascii() or not text.isdecimal() or not 1970 <= int(text) <= 9998:
        raise InvalidInput(f"{name} is {text[:20]!r}: give a year such as {default}")
    return int(text)


def _date(query: Query) -> date:
    text = query.get("day", "")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"day is {text[:20]!r}: give a date such as 2024-05-01") from None


def _answer(status: int, found: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(found, separators=(",", ":")).encode())
