# SPDX-License-Identifier: Apache-2.0
"""Retrievals, and the windows that they are tried on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.errors import UrlsExpired
from airflow_provider_genesys.export.following import Following
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, ExportWindow, Receipt, ReceiptLine
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.retrieval import Retrieval
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.archive import MemoryArchive
from tests.export.memory.fates import COMPLETES, Fate
from tests.export.orchestrator import World, asked, hours

REQUEST = asked(hours(0, 5))
"""A window of five calls, call-0 to call-4."""

CALLS = [f"call-{n}" for n in range(5)]
MANY = tuple(f"call-{n:03}" for n in range(600))


@dataclass
class Ann:
    """An orchestrator that has come to the retrieval."""

    world: World
    leases: Leases
    archive: MemoryArchive

    @property
    def retrieval(self) -> Retrieval:
        world = self.world
        return Retrieval(world.api, world.ledger, self.archive, self.leases, world.clock, world.clock.sleep)

    def completed(self, request: ExportRequest = REQUEST, fate: Fate = COMPLETES) -> tuple[Entry, ExportJob]:
        """Submit a job and poll its end."""
        world = self.world
        world.api.fates.append(fate)
        Submission(world.api, world.ledger, self.leases, world.clock.sleep).ensure_job(request)
        return Following(world.api, world.ledger, self.leases, Pace()).poll(self.leases.hold(request))

    def resubmitted(self, fate: Fate = COMPLETES) -> tuple[Entry, ExportJob]:
        """Replace the job by another and poll its end."""
        world = self.world
        world.api.fates.append(fate)
        Submission(world.api, world.ledger, self.leases, world.clock.sleep).resubmit(REQUEST, "expired")
        return Following(world.api, world.ledger, self.leases, Pace()).poll(self.leases.hold(REQUEST))

    def retrieve(self, entry: Entry, job: ExportJob) -> Receipt:
        """Retrieve the job; the receipt that is there then."""
        with self.retrieval.begun(entry, [entry]) as archiving:
            leftover = self.retrieval.take(archiving, entry, job)
        if leftover is not None:
            raise UrlsExpired(leftover.reason)
        archiving.check_whole()
        counts = archiving.statement.counts
        self.retrieval.remember(archiving.entry, counts.total())
        receipt = self.receipt(entry.request.window)
        assert counts == Counter(line.status.value for line in receipt)
        return receipt

    def proof(self, request: ExportRequest, entry: Entry | None) -> Receipt | None:
        """What proves a window whose jobs are its own."""
        return self.retrieval.proof(request, entry, [entry] if entry else [])

    def receipt(self, window: ExportWindow = REQUEST.window) -> Receipt:
        receipt = self.archive.receipt(window)
        assert receipt is not None
        return receipt

    def line(self, recording_id: str) -> ReceiptLine:
        (line,) = [line for line in self.receipt() if line.recording_id == recording_id]
        return line
