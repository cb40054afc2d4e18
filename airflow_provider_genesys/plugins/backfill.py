# SPDX-License-Identifier: Apache-2.0
"""The command that exports a gap, for the Airflow that runs here.

Both lines name runs by logical date, and the run of a logical date covers the day that begins then. A date without a
time is midnight in Airflow's default time zone, which need not be the DAG's.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import time
from typing import Any

from airflow_provider_genesys.export.coverage import Coverage, Day, Gap
from airflow_provider_genesys.export.model import AUTO
from airflow_provider_genesys.plugins.deployment import Deployment
from airflow_provider_genesys.versions import IS_AIRFLOW_3, executor_for_backfills
from airflow_provider_genesys.wiring import Destination


def command(gap: Gap, deployment: Deployment, conf: Mapping[str, Any], *, airflow_3: bool = IS_AIRFLOW_3) -> str:
    """What to type into a shell so that the gap is exported. A run that failed is run again.

    :param conf: the params that tell the gap's selection from the DAG's own.
    """
    setting = "" if airflow_3 else executor_for_backfills()
    first, last = (_date(day, deployment) for day in (gap.days[0], gap.days[-1]))
    given = [json.dumps(conf, sort_keys=True)] if conf else []
    if airflow_3:
        words = [
            "airflow",
            "backfill",
            "create",
            "--dag-id",
            deployment.dag_id,
            "--from-date",
            first,
            "--to-date",
            last,
        ]
        again, conf_option = ["--reprocess-behavior", "failed"], "--dag-run-conf"
    else:
        words = ["airflow", "dags", "backfill", deployment.dag_id, "-s", first, "-e", last]
        again, conf_option = ["--rerun-failed-tasks"], "--conf"
    options = [*(again if gap.was_tried else []), *(word for each in given for word in (conf_option, each))]
    return f"{setting} {shlex.join([*words, *options])}".lstrip()


def conf_of(coverage: Coverage, among: Iterable[Coverage], deployment: Deployment) -> dict[str, Any]:
    """The params by which a run exports this selection, where the DAG's defaults name another one.

    :param among: all selections of the ledger. A format that the DAG leaves to the API is this one's own, unless
        another one differs by that alone.
    """
    asked, defaults = coverage.asked, deployment.defaults
    wanted = {"filters": dict(asked.filters), "media": list(asked.media), "media_format": asked.media_format}
    conf = {name: value for name, value in wanted.items() if defaults[name] != value}
    formats = {each.asked.media_format for each in among if _but_for_format(each) == _but_for_format(coverage)}
    if defaults["media_format"] == AUTO and len(formats) == 1:
        conf.pop("media_format", None)
    if conf and coverage.destinations:
        conf["destination"] = _with_connection(coverage.destinations[-1], deployment)
    return conf


def _but_for_format(coverage: Coverage) -> str:
    """The key of what tells selections apart, their media format aside."""
    return replace(coverage.asked, media_format="").selection_key


def _date(day: Day, deployment: Deployment) -> str:
    start = day.window.start.astimezone(deployment.naive_timezone)
    if start.time() == time():
        return start.date().isoformat()
    return day.window.start.astimezone(deployment.timezone).isoformat()


def _with_connection(remembered: str, deployment: Deployment) -> str:
    """A destination of the ledger as a run wants it: with its connection, where the deployment names it.

    On Azure the ledger has its URL: as a param that is refused, rather than taken for another place.
    """
    return next((known for known in deployment.destinations if _is_at(known, remembered)), remembered)


def _is_at(known: str, remembered: str) -> bool:
    place = Destination.parse(known)
    if place.scheme == "file":
        return known.rstrip("/") == remembered
    return remembered.endswith("/".join(["", place.place, *filter(None, [place.prefix])]))
