# SPDX-License-Identifier: Apache-2.0
"""Control from outside (``/_simulator/*``): counts, jobs, faults, hold points. No authentication: loopback only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.faults import Fault, FaultPlan, SpecError
from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.listing import dates
from airflow_provider_genesys.simulator.platform import routes
from airflow_provider_genesys.simulator.platform.bulk import state_of
from airflow_provider_genesys.simulator.presigned import signature_of
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation


def add_routes(app: web.Application) -> None:
    """Add the control routes."""
    app.router.add_get("/_simulator/stats", stats)
    app.router.add_get("/_simulator/jobs", jobs)
    app.router.add_get("/_simulator/batches", batches)
    app.router.add_get("/_simulator/bulk_jobs", bulk_jobs)
    app.router.add_get("/_simulator/issued", issued)
    app.router.add_get("/_simulator/held", held)
    app.router.add_post("/_simulator/faults", set_faults)
    app.router.add_post("/_simulator/reset", reset)
    app.router.add_post("/_simulator/hold", hold)
    app.router.add_post("/_simulator/release", release)


async def stats(request: web.Request) -> web.Response:
    """``GET /_simulator/stats``: the fields of :class:`.simulation.Stats`."""
    return web.json_response(vars(request.app[SIMULATION].stats))


async def jobs(request: web.Request) -> web.Response:
    """``GET /_simulator/jobs``: every job since the start or the last reset, oldest first."""
    simulation = request.app[SIMULATION]
    return web.json_response([_summary(job, simulation) for job in simulation.jobs.values()])


async def batches(request: web.Request) -> web.Response:
    """``GET /_simulator/batches``: every batch request since the start or the last reset, oldest first."""
    known = request.app[SIMULATION].platform.batches.values()
    return web.json_response(
        [
            {"id": each.batch_id, "client": each.client, "asked": each.asked, "submittedAt": each.submitted_at}
            for each in known
        ]
    )


async def bulk_jobs(request: web.Request) -> web.Response:
    """``GET /_simulator/bulk_jobs``: every bulk job, administrators' too, and since when its objects have arrived."""
    simulation = request.app[SIMULATION]
    delivered = simulation.platform.delivered
    return web.json_response(
        [
            {
                "id": each.job_id,
                "user": each.user,
                "state": state_of(each, simulation),
                "query": each.query,
                "exported": len(each.exported),
                "deliveredAt": delivered.get(each.job_id),
            }
            for each in simulation.platform.bulk_jobs.values()
        ]
    )


async def issued(request: web.Request) -> web.Response:
    """``GET /_simulator/issued``: every secret that may not be found in anybody's log or database."""
    return web.json_response(issued_secrets(request.app[SIMULATION]))


async def held(request: web.Request) -> web.Response:
    """``GET /_simulator/held``: the points at which a request is held right now."""
    points = request.app[SIMULATION].holds.held
    return web.json_response({"held": bool(points), "points": list(points)})


async def set_faults(request: web.Request) -> web.Response:
    """``POST /_simulator/faults``: a list of faults takes the place of those before."""
    try:
        faults = await request.json()
        if not isinstance(faults, list):
            raise SpecError(f"faults must be a list of faults, not {faults!r}")
        plan = FaultPlan([Fault.from_json(fault) for fault in faults])
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    request.app[SIMULATION].plan = plan
    return web.json_response({"faults": len(plan.faults)})


async def reset(request: web.Request) -> web.Response:
    """``POST /_simulator/reset``: forget jobs, counts and faults, and let go of whoever is held."""
    simulation = request.app[SIMULATION]
    simulation.holds.release()
    simulation.reset()
    return web.json_response({})


async def hold(request: web.Request) -> web.Response:
    """``POST /_simulator/hold``: hold the ``nth`` request (1) from here on that reaches ``point``."""
    try:
        wish = await request.json()
        request.app[SIMULATION].holds.arm(wish["point"], wish.get("nth", 1))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return web.json_response({"error": f'want {{"point": ..., "nth": n}}: {error}'}, status=400)
    return web.json_response({})


async def release(request: web.Request) -> web.Response:
    """``POST /_simulator/release``: let go of whoever is held, and disarm every point."""
    request.app[SIMULATION].holds.release()
    return web.json_response({})


def issued_secrets(simulation: Simulation) -> dict[str, Sequence[str]]:
    """Access tokens, client secrets, and the signatures of every presigned URL there has been.

    Signatures are calculated afresh where they never change: those of jobs and of batch requests.
    """
    universe, secret = simulation.universe, simulation.signing_secret
    signatures = [
        signature_of(job, call, secret)
        for job in simulation.issued_jobs
        for call in (None, *(job.calls(universe) if job.timeline[-1][1] == "completed" else ()))
    ]
    return {
        "tokens": list(simulation.issued_tokens),
        "client_secrets": list(universe.clients.values()),
        "signatures": [*signatures, *routes.issued_signatures(simulation)],
    }


def _summary(job: Job, simulation: Simulation) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "client": job.client,
        **dates(job),
        "format": job.media_format,
        "filter": dict(job.filter),
        "attempt": job.attempt,
        "status": job.status(simulation.clock()),
        "submittedAt": job.submitted_at,
    }
