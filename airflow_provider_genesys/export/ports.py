# SPDX-License-Identifier: Apache-2.0
"""What the domain asks of the world.

``api/``, ``ledger/`` and ``archive/`` implement these protocols and don't know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import (
    Entry,
    ExportJob,
    ExportRequest,
    ExportWindow,
    Lease,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    RequestState,
    Reservation,
    StoredObject,
)


class Submitter(Protocol):
    """Whatever makes jobs. It may raise ``Passing`` or ``Refused``."""

    def submit(self, request: ExportRequest) -> str:
        """Make one export job and return its id.

        :raises OutcomeUnknown: where the job may exist though its id never arrived.
        """


class ExportApi(Submitter, Protocol):
    """Genesys Cloud on the wire. Every call may raise ``Passing`` or ``Refused``."""

    def volume(self, request: ExportRequest) -> int:
        """How many recordings the request's window holds."""

    def job(self, job_id: str) -> ExportJob:
        """Ask for a job's state once: one poll."""


class Ledger(Protocol):
    """The shared record: who exports what, which jobs exist for it, and what may be asked of the platform this minute.

    A request's whole state is one :class:`Entry`. The rules for changing it live in ``export/``; a ledger keeps it,
    gives the right to change it to one owner at a time, and refuses the write of whoever lost that right.
    """

    def now(self) -> float:
        """The ledger's clock, epoch seconds: the server's where there is one."""

    def acquire(self, request: ExportRequest, owner: str, seconds: float) -> Entry:
        """Insert the request if it is unknown and take its lease if that is free, has run out or is ``owner``'s own.

        A lease saved as exclusive is not even its owner's to take again before it runs out.

        :return: the entry; its ``lease`` is set where it was acquired, else ``held_by`` and ``held_until`` say who has
            it.
        """

    def save(self, lease: Lease, entry: Entry, *, exclusive: bool = False) -> Entry:
        """Write the entry and renew the lease, in one transaction.

        :param exclusive: keep even other processes of the same owner away until the lease runs out or is saved again:
            a ``POST`` is under way.
        :return: the entry with its renewed lease.
        :raises LeaseLost: where another acquisition has come since; nothing is written then.
        """

    def renew(self, lease: Lease) -> Lease:
        """Prolong the lease by its ``seconds`` from now.

        :raises LeaseLost: where another acquisition has come since.
        """

    def release(self, lease: Lease) -> None:
        """Give the lease back; one that was lost already is left alone."""

    def entry(self, key: str) -> Entry | None:
        """Read a request's entry by its key, taking nothing."""

    def find(self, organisation: str, job_id: str) -> Entry | None:
        """Read the entry that a job belongs to."""

    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        """Reserve one call of a rate budget, so that no 60 seconds hold more than ``per_minute``.

        :param budget: ``requests`` or ``polls``.
        :param within: the longest wait, in seconds, for which a future slot is still reserved.
        """

    def plan(self, key: str) -> tuple[ExportWindow, ...] | None:
        """The windows that an earlier plan cut, or None."""

    def keep_plan(
        self, key: str, windows: Sequence[ExportWindow], *, replace: bool = False
    ) -> tuple[ExportWindow, ...]:
        """Keep a plan unless there is one already.

        :return: the plan that is kept: two planners that race get the same.
        """

    def record_volume(self, selection_key: str, window: ExportWindow, recordings: int) -> None:
        """Remember how many recordings a window held: history for planning."""

    def volumes(self, selection_key: str, since: float, until: float) -> Mapping[ExportWindow, int]:
        """The remembered volumes of windows that start in ``[since, until)``, epoch seconds."""

    def record_duration(self, organisation: str, recordings: int, seconds: float) -> None:
        """Remember how long a completed job took: history for polling."""

    def durations(self, organisation: str) -> Sequence[tuple[int, float]]:
        """``(recordings, seconds)`` of the newest completed jobs, newest first; at most some hundreds."""

    def entries(self, organisation: str | None = None, states: Collection[RequestState] = ()) -> Iterator[Entry]:
        """All entries by window, or those of an organisation, or in some states: for a look inside."""

    def break_lease(self, key: str) -> bool:
        """Take a request's lease from whoever holds it, who is fenced off by that.

        :return: whether there was a live one.
        """

    def forget(self, key: str) -> bool:
        """Remove a request with its attempts, unless a lease on it is live.

        :return: whether it is gone.
        """

    def spent(self, organisation: str, budget: str) -> int:
        """How many calls of a rate budget are reserved in the minute that began 60 seconds ago, or ahead."""

    def compact(self, before: float) -> int:
        """Remove archived requests, and split ones, that were last written before a time; their history stays.

        :param before: epoch seconds.
        :return: how many were removed. Those with a live lease stay.
        """


class Archive(Protocol):
    """The user's object storage, one destination of it."""

    @property
    def destination(self) -> str:
        """The destination's URI without credentials and connection id: what the ledger remembers."""

    def receipt(self, window: ExportWindow) -> Receipt | None:
        """The window's receipt, or None where there is none."""

    def put_receipt(self, window: ExportWindow, receipt: Iterable[ReceiptLine]) -> None:
        """Write the window's receipt, whole or not at all, over an older one."""

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        """Archive the job's manifest as it came and read it.

        :raises UrlsExpired: where the storage answers 403.
        """

    def manifest(self, job_id: str) -> Manifest | None:
        """Read an archived manifest back, or None where there is none."""

    def fetch(
        self,
        recordings: Sequence[Recording],
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Iterator[tuple[Recording, StoredObject | ExportError]]:
        """Stream recordings from their URLs into the archive and yield each one's outcome as it ends:
        the object, or why there is none: a ``Passing`` that outlived its bounded retries, or an ``ExportFailed``.

        What the archive holds already is not fetched again, unless ``overwrite``. What an earlier, killed
        transfer of these recordings left unfinished is removed.

        :param proceed: called before every download starts; what it raises ends the transfer, running downloads first.
        :param resumed: an earlier transfer is known to have begun with these, so that it is worth to ask what is there.
        :raises UrlsExpired: where the storage answers 403; outcomes that came before stay good.
        """

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        """Write the interval's reconciliation and return its key."""
