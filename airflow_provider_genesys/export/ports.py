# SPDX-License-Identifier: Apache-2.0
"""What the domain asks of the world.

``api/``, ``ledger/`` and ``archive/`` implement these protocols and don't know each other. A method that has a body
here is what an implementation does that inherits from its protocol and has nothing to add.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider_genesys.export.entry import Entry, Lease, RequestState, Standing
from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import (
    Delivery,
    ExportJob,
    ExportRequest,
    ExportWindow,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    Reservation,
    StoredObject,
    Version,
)


class Submitter(Protocol):
    """Whatever makes jobs. It may raise ``Passing`` or ``Refused``.

    :ivar jobs_at_a_time: how many jobs an organisation may have under way together; None where there is no bound.
    :ivar lot: how many conversations one job takes; None where one job takes a whole window.
    """

    jobs_at_a_time: int | None = None
    lot: int | None = None

    def parts(self, request: ExportRequest) -> Sequence[tuple[str, ...]] | None:
        """The conversations of a window, in lots that one job takes each; None where one job takes the whole window.

        :raises Passing: among others where the platform does not yet know all that was recorded in the window.
        """

    def submit(self, request: ExportRequest) -> str:
        """Make one export job and return its id.

        :raises OutcomeUnknown: where the job may exist though its id never arrived.
        :raises NotYet: where there is no room for another job now.
        """

    def orphan(self, request: ExportRequest, known: Collection[str]) -> str | None:
        """The id of a job that was made for the request and whose id never arrived; None where the platform can't tell.

        :param known: ids of the request's jobs that did arrive.
        """
        return None


class ExportApi(Submitter, Protocol):
    """Genesys Cloud on the wire. Every call may raise ``Passing`` or ``Refused``.

    :ivar delivers: whether the platform brings recordings to their destination by itself.
    :ivar counts_conversations: whether a volume is one of conversations, each of which may have several recordings.
    """

    delivers: bool = False
    counts_conversations: bool = False

    def checked(self, request: ExportRequest) -> ExportRequest:
        """The request as this API takes it: an empty media format becomes the API's own default. Asks nothing.

        :raises InvalidInput: for what this API can't be asked for.
        """

    def available_until(self) -> float | None:
        """Until when the platform knows what was recorded, epoch seconds; None where it knows at once."""

    def volume(self, request: ExportRequest) -> int:
        """How many recordings the request's window holds, or conversations that were recorded."""

    def recorded(self, request: ExportRequest) -> Sequence[str] | None:
        """The conversations of a window that were recorded, by their start: where volumes count these, and may count
        too many. None where the platform lists none.
        """
        return None

    def may_come_back(self, reason: str) -> bool:
        """Whether a recording that was unavailable may be had some day. Asks nothing.

        :param reason: why it was unavailable, as a receipt tells it.
        """
        return True

    def countable_since(self) -> float | None:
        """Since when a day's volume costs one request, and no more than a day's does, epoch seconds; None where any
        span's does.
        """
        return None

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Ask for the state of one of the request's jobs once: one poll."""

    def manifest(self, request: ExportRequest, job: ExportJob) -> Mapping[str, Any] | None:
        """What a completed job holds, as a document in the place of a manifest; None where the job has its own."""

    def missing(self, request: ExportRequest, job: ExportJob) -> Sequence[str]:
        """The conversations of the request that were recorded and for which a completed job holds nothing."""

    def start(self, job_id: str) -> None:
        """Tell a job that is ready to export what it found. Telling it twice changes nothing.

        :raises NotYet: where there is no room for another job now.
        """
        return

    def discard(self, job_id: str) -> None:
        """Let go of a job that is ready: it exports nothing. One that is gone already is left alone."""
        return

    def ready(self) -> Collection[str]:
        """The ids of this client's jobs that are ready and wait to be told what to do."""
        return ()

    def rehearse(self, request: ExportRequest) -> str | None:
        """Make a job that no submission takes for its own, and that nobody will start: for what it says when it is
        ready. None where the platform has no such jobs.

        :raises NotYet: where there is no room for another job now.
        """
        return None

    def delivery(self, request: ExportRequest, job: ExportJob) -> Delivery | None:
        """What a completed job has the platform deliver by itself; None where its recordings are to be fetched."""
        return None

    def absent(self, request: ExportRequest, delivery: Delivery, conversations: Sequence[str]) -> Sequence[Recording]:
        """The recordings of some of a delivery's conversations, looked up one by one: a request for each.

        :return: with a reason for those that will not come; without one for those that still may. A conversation that
            has no recordings is not among theirs.
        """
        return ()


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

    def standings(self, since: float, until: float) -> Sequence[Standing]:
        """Where the windows stand that start in ``[since, until)``, epoch seconds, by window: a cheap look at years.

        Windows that :meth:`compact` removed are among them; one that was claimed and never saved is not.
        """

    def break_lease(self, key: str) -> bool:
        """Take a request's lease from whoever holds it, who is fenced off by that.

        :return: whether there was a live one.
        """

    def forget(self, key: str) -> bool:
        """Remove a request with its attempts and its standing, unless a lease on it is live.

        :return: whether it is gone.
        """

    def spent(self, organisation: str, budget: str) -> int:
        """How many calls of a rate budget are reserved in the minute that began 60 seconds ago, or ahead."""

    def compact(self, before: float) -> int:
        """Remove archived requests, and split ones, that were last written before a time; their history and their
        standings stay.

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
        return self.receipt_and_version(window)[0]

    def receipt_and_version(self, window: ExportWindow) -> tuple[Receipt | None, Version | None]:
        """The window's receipt as :meth:`receipt` tells it, and which version of the document that is.

        :return: the version is None where there is no document in the receipt's place.
        """

    def lines(self, window: ExportWindow) -> Iterator[ReceiptLine] | None:
        """The lines of the window's receipt, one after the other, or None where there is none.

        :raises NoReceipt: where the document in its place turns out to be none.
        """

    def put_receipt(
        self, window: ExportWindow, receipt: Iterable[ReceiptLine], replaces: Version | None
    ) -> Version | None:
        """Write the window's receipt, whole or not at all, over an older one.

        :param replaces: the version that has to be there; None: none at all.
        :return: the version of what was written; None where there is another than ``replaces``, which stays.
        """

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        """Archive the job's manifest as it came and read it.

        :raises UrlsExpired: where the storage answers 403.
        """

    def put_manifest(self, job_id: str, document: Mapping[str, Any]) -> Manifest:
        """Archive a document that was made in the place of a manifest, and read it."""

    def manifest(self, job_id: str) -> Manifest | None:
        """Read an archived manifest back, or None where there is none."""

    def fetch(
        self,
        recordings: Sequence[Recording],
        window: ExportWindow,
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Generator[tuple[Recording, StoredObject | ExportError], None, None]:
        """Stream recordings from their URLs into the archive and yield each one's outcome as it ends:
        the object, or why there is none: a ``Passing`` that outlived its bounded retries, or an ``ExportFailed``.

        What the archive holds already is not fetched again, unless ``overwrite``. What an earlier, killed
        transfer of these recordings left unfinished is removed. Who closes the generator ends the transfer.

        :param window: the one that the recordings were exported for.
        :param proceed: called before every download starts; what it raises ends the transfer, running downloads first.
        :param resumed: an earlier transfer is known to have begun with these, so that it is worth to ask what is there.
        :raises UrlsExpired: where the storage answers 403; outcomes that came before stay good.
        """

    def report(self, interval: ExportWindow) -> Mapping[str, Any] | None:
        """The interval's reconciliation as it was written; None where there is none."""

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        """Write the interval's reconciliation, over an older one, and return its key.

        Who reconciles holds no lease, so that of two who do it at once the last one's stays: it proves nothing, and
        the next reconciliation makes it anew from the receipts.
        """

    @property
    def can_index(self) -> bool:
        """Whether what :meth:`put_index` needs is installed."""

    def put_index(self, interval: ExportWindow, lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> str:
        """Write lines of receipts, each with the request that it answers, as one table and return its key."""

    def delivered(self, conversations: Mapping[str, float]) -> Iterator[Recording]:
        """What the platform itself has delivered of these conversations, file by file, under the recordings' own ids.

        :param conversations: when each began, epoch seconds, by id.
        :raises InvalidInput: for a destination that the platform can't deliver into.
        """

    def overlooked(self, lines: Iterable[ReceiptLine]) -> Iterator[Recording]:
        """What the platform itself has delivered of a receipt's conversations and the receipt does not name.

        :param lines: with the metadata of a manifest that the API made.
        """

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        """Hold archived lines against what is stored.

        :return: those that are not borne out, each with what is there instead, in words.
        """
