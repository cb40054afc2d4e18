# SPDX-License-Identifier: Apache-2.0
"""What a running simulator remembers: tokens, budgets, jobs, counts. Only the server's own thread touches it."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.conversations import DIVISIONS
from airflow_provider_genesys.simulator.faults import FaultPlan
from airflow_provider_genesys.simulator.holds import Holds
from airflow_provider_genesys.simulator.jobs import Job, timeline_of
from airflow_provider_genesys.simulator.platform.state import Batch, PlatformState
from airflow_provider_genesys.simulator.universe import Selection, Universe

Clock = Callable[[], float]
MINUTE = 60.0


@dataclass
class Stats:
    """What has happened since the start or the last reset.

    :param requests: requests per route, as :data:`.faults.ROUTES` names them, manifest and recording beside them;
        refused ones count too.
    :param rate_limited: answers with status 429.
    :param authorization_on_storage: presigned URLs that were asked for with an Authorization header.
    :param expired_on_storage: presigned URLs that were asked for too late.
    :param begun: GETs per recording id that storage accepted and that ask for its first byte: one for each download,
        in whatever ranges.
    :param completed: GETs that were answered with the true bytes, to its last one.
    :param jobs: jobs submitted.
    :param batches: batch requests submitted.
    :param bulk_jobs: bulk jobs submitted.
    :param destructive_jobs: bulk jobs that were refused since they would delete or archive.
    """

    requests: Counter[str] = field(default_factory=Counter)
    rate_limited: int = 0
    authorization_on_storage: int = 0
    expired_on_storage: int = 0
    begun: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    batches: int = 0
    bulk_jobs: int = 0
    destructive_jobs: int = 0

    def copy(self) -> Stats:
        """A snapshot."""
        return deepcopy(self)


@dataclass(frozen=True)
class Token:
    """An access token's owner and end (Unix time)."""

    client: str
    expires_at: float


class Budget:
    """So many requests a minute for each client, exact over a sliding window. What is refused does not count.

    :param allowed: requests a minute; None: no limit.
    """

    def __init__(self, allowed: int | None) -> None:
        self.allowed = allowed
        self._spent: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait(self, client: str, now: float) -> float:
        """Seconds until the client may come again; 0: now."""
        spent = self._spent[client]
        while spent and spent[0] <= now - MINUTE:
            spent.popleft()
        return spent[0] + MINUTE - now if self.allowed is not None and len(spent) >= self.allowed else 0.0

    def spend(self, client: str, now: float) -> None:
        """Count one request."""
        if self.allowed is not None:
            self._spent[client].append(now)


class Simulation:
    """The state behind the handlers.

    :param universe: the world.
    :param clock: Unix time; everything that lives or expires goes by it.
    """

    def __init__(self, universe: Universe, clock: Clock = time.time) -> None:
        self.universe = universe
        self.clock = clock
        self.holds = Holds()
        self.signing_secret = secrets.token_bytes(32)
        self.tokens: dict[str, Token] = {}
        self.issued_tokens: list[str] = []
        self.issued_jobs: list[Job] = []
        self.issued_batches: list[Batch] = []
        self.issued_signatures: list[str] = []
        self._background: set[asyncio.Task[None]] = set()
        self.reset()
        self.plan = FaultPlan(universe.faults)

    def reset(self) -> None:
        """Forget jobs, counts, spent budgets and faults. Tokens stay valid, and what was issued stays known."""
        self.stop_background()
        self.plan = FaultPlan(())
        self.stats = Stats()
        self.jobs: dict[str, Job] = {}
        self.requests = Budget(self.universe.requests_per_minute)
        self.polls = Budget(self.universe.polls_per_minute)
        self.recording_requests = Budget(self.universe.recording_requests_per_minute)
        self.platform = PlatformState(self.universe, self.clock())
        self._attempts: defaultdict[str, dict[tuple[int, int], int]] = defaultdict(dict)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the requests, until it ends or everything is forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def stop_background(self) -> None:
        """Stop whatever is done beside the requests."""
        for task in self._background:
            task.cancel()

    @property
    def available_ms(self) -> int:
        """Until when the data lake has conversations, in ms since 1970-01-01 UTC."""
        return int((self.clock() - self.universe.availability_lag_seconds) * 1000)

    @property
    def hidden_divisions(self) -> frozenset[int]:
        """Divisions, as in :data:`.conversations.DIVISIONS`, of which no client sees anything."""
        names = self.plan.hidden_divisions()
        return frozenset(number for number, name in enumerate(DIVISIONS) if name in names)

    def media_faults(self, ordinal: int) -> frozenset[str]:
        """Kinds of fault that stand now against the recordings of a day's call, or of the chat or e-mail after it."""
        return self.plan.media_faults(ordinal, self.clock())

    def issue_token(self, client: str) -> str:
        """A new access token for a client."""
        token = secrets.token_hex(32)
        self.tokens[token] = Token(client, self.clock() + self.universe.token_seconds)
        self.issued_tokens.append(token)
        return token

    def client_of(self, token: str) -> str | None:
        """The client that a token belongs to; None: unknown, revoked or expired."""
        known = self.tokens.get(token)
        return known.client if known is not None and known.expires_at > self.clock() else None

    def submit(
        self,
        *,
        client: str,
        start_ms: int,
        end_ms: int,
        media_format: str,
        filters: Mapping[str, Any],
        selection: Selection,
    ) -> Job:
        """Create an export job. Like the platform's, this is not idempotent: each call is another job."""
        window, attempts = (start_ms, end_ms), self._attempts[client]
        attempt = attempts.setdefault(window, 0)
        attempts[window] += 1
        faults = self.plan.for_job(list(attempts).index(window), attempt)
        total = self.universe.count(start_ms, end_ms, selection)
        expired = next((fault for fault in faults if fault.kind == "expired_urls"), None)
        job = Job(
            job_id=str(uuid.uuid4()),
            client=client,
            start_ms=start_ms,
            end_ms=end_ms,
            media_format=media_format,
            filter=filters,
            selection=selection,
            attempt=attempt,
            submitted_at=self.clock(),
            timeline=timeline_of(total, end_ms - start_ms, self.universe, faults),
            url_seconds=self.universe.url_seconds if expired is None else expired.seconds or 0.0,
            faults=faults,
        )
        self.jobs[job.job_id] = job
        self.issued_jobs.append(job)
        self.stats.jobs += 1
        return job


SIMULATION: web.AppKey[Simulation] = web.AppKey("simulation", Simulation)
