# SPDX-License-Identifier: Apache-2.0
"""Every job as a person looks at it (``/_simulator/jobs.html``): where a task's link to its job leads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from itertools import chain

from aiohttp import web

from airflow_provider_genesys.simulator.platform import batch, bulk
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation

COLUMNS = ("Job", "API", "Client", "Asked for", "Attempt", "Recordings", "Submitted", "Status")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Jobs of the simulated Genesys Cloud</title>
<style>
  :root {{ color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }}
  body {{ margin: 2rem; }}
  h1 {{ font-size: 1.4rem; }}
  table {{ border-collapse: collapse; width: 100%; }}
  th, td {{ border-bottom: 1px solid #8886; padding: .4rem .8rem .4rem 0; text-align: left; vertical-align: top; }}
  td:first-child, td:nth-child(4) {{ font-family: ui-monospace, monospace; overflow-wrap: anywhere; }}
  td:nth-child(7) {{ white-space: nowrap; }}
  tr:target {{ background: #ff4f1f2b; outline: 2px solid #ff4f1f; }}
</style>
<h1>Jobs of the simulated Genesys Cloud</h1>
<p>Oldest first, since the start or the last reset. It is {now} UTC.</p>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</html>
"""


def add_routes(app: web.Application) -> None:
    """Add the page."""
    app.router.add_get("/_simulator/jobs.html", jobs)


async def jobs(request: web.Request) -> web.Response:
    """``GET /_simulator/jobs.html``: a row for each job, with the job's id as its anchor; no URL of any recording."""
    simulation = request.app[SIMULATION]
    rows = chain(_exports(simulation), _batches(simulation), _bulk_jobs(simulation))
    page = _PAGE.format(
        now=_time(simulation.clock()),
        head="".join(f"<th>{column}</th>" for column in COLUMNS),
        rows="\n".join(map(_row, rows)),
    )
    return web.Response(text=page, content_type="text/html")


def _exports(simulation: Simulation) -> Iterator[tuple[object, ...]]:
    for job in simulation.jobs.values():
        status = job.status(simulation.clock())
        total = job.total(simulation.universe) if status == "completed" else ""
        asked = f"{job.media_format}, {json.dumps(dict(job.filter))}"
        yield job.job_id, "guide", job.client, asked, job.attempt, total, _time(job.submitted_at), status


def _batches(simulation: Simulation) -> Iterator[tuple[object, ...]]:
    for each in simulation.platform.batches.values():
        asked = f"{len(each.asked)} conversations"
        status = batch.status_of(each, simulation)
        yield each.batch_id, "batch", each.client, asked, "", "", _time(each.submitted_at), status


def _bulk_jobs(simulation: Simulation) -> Iterator[tuple[object, ...]]:
    for each in simulation.platform.bulk_jobs.values():
        asked, status = json.dumps(dict(each.query)), bulk.state_of(each, simulation)
        yield each.job_id, "bulk", each.user, asked, "", each.recordings or "", _time(each.created_at), status


def _row(cells: tuple[object, ...]) -> str:
    inner = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    return f'<tr id="{escape(str(cells[0]))}">{inner}</tr>'


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
