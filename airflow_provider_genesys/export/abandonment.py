# SPDX-License-Identifier: Apache-2.0
"""Jobs that are ready and that nobody will start any more: who finds them lets them go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from airflow_provider_genesys.export.entry import AttemptStatus, Entry
from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.ports import ExportApi, Ledger

logger = logging.getLogger(__name__)

_MAY_BE_READY = (AttemptStatus.SUBMITTED, AttemptStatus.FAILED)
"""Nobody came to start it, or died between giving it up and discarding it."""

_REASON = "it was ready, and nobody had started it by the end of the day's run"


@dataclass(frozen=True)
class Abandonment:
    """Discards what was left ready, of the windows of one interval."""

    api: ExportApi
    ledger: Ledger
    leases: Leases

    def let_go(self, requests: Iterable[ExportRequest]) -> None:
        """Discard the jobs of these windows that are ready, unless somebody follows them. What fails is only logged:
        a job that is ready does nothing.
        """
        left = [
            (entry, attempt.job_id)
            for request in requests
            for entry in self._family(request)
            for attempt in entry.attempts
            if attempt.job_id and attempt.status in _MAY_BE_READY
        ]
        try:
            ready = self.api.ready() if left else ()
            for entry, job_id in left:
                if job_id in ready and self._is_nobodys(entry, job_id):
                    logger.warning("Job %s of window %s: %s", job_id, entry.request, _REASON)
                    self.api.discard(job_id)
        except ExportError as error:
            logger.warning("Jobs that nobody started may be left at Genesys Cloud: %s", error)

    def _family(self, request: ExportRequest) -> Iterator[Entry]:
        """The entry of a window, and of all that it was split into."""
        entry = self.ledger.entry(request.key)
        if entry is None:
            return
        yield entry
        for window in entry.children:
            yield from self._family(replace(request, window=window))

    def _is_nobodys(self, entry: Entry, job_id: str) -> bool:
        """Whether nobody follows a job. One that still stands for its window is written down as failed."""
        current = entry.current
        if current is None or current.job_id != job_id or current.status is not AttemptStatus.SUBMITTED:
            return True
        held = self.leases.hold(entry.request)
        if held.lease is None or held.current != current:
            return False
        failed = replace(current, status=AttemptStatus.FAILED, error=_REASON, ended_at=self.ledger.now())
        self.leases.release(self.leases.save(replace(held, attempts=(*held.attempts[:-1], failed))))
        return True
