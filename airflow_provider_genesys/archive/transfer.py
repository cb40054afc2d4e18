# SPDX-License-Identifier: Apache-2.0
"""Many recordings at a time: threads, retries, and how a transfer ends early."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from airflow_provider_genesys.archive.progress import Progress
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.export.errors import ExportError, Passing, Refused
from airflow_provider_genesys.export.model import Recording, StoredObject

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 10.0
"""At most one line of progress in so many seconds."""

Outcome = StoredObject | ExportError
"""The object, or why there is none."""


class Ended(Exception):
    """No download starts any more. Never leaves this package."""


class Reins:
    """What the threads of one transfer have in common: whether downloads may start, and whether they may go on.

    :param proceed: asked before each download, by one thread at a time; whatever it raises ends the transfer.
    :ivar cause: the first error that ended the transfer.
    """

    def __init__(self, proceed: Callable[[], None], progress: Progress) -> None:
        self.cause: BaseException | None = None
        self._proceed = proceed
        self._progress = progress
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._abandoned = False

    @property
    def are_pulled(self) -> bool:
        """Whether the transfer is ending."""
        return self._ending.is_set()

    def start(self) -> None:
        """Ask whether a download may start.

        :raises Ended: where the transfer is ending.
        """
        with self._lock:
            if self.are_pulled:
                raise Ended
            try:
                self._proceed()
            except BaseException as error:
                self.end(error)
                raise Ended from None

    def received(self, count: int) -> None:
        """Count bytes of a download.

        :raises Ended: in its middle, where nobody waits for the outcome any more.
        """
        if self._abandoned:
            raise Ended
        self._progress.received(count)

    def pause(self, seconds: float) -> None:
        """Wait before another try, unless the transfer ends."""
        self._ending.wait(seconds)

    def end(self, cause: BaseException) -> None:
        """Start nothing more; what runs may finish."""
        self.cause = self.cause or cause
        self._ending.set()

    def abandon(self) -> None:
        """Stop what runs, too."""
        self._abandoned = True
        self._ending.set()


def transfer(
    recordings: Sequence[Recording],
    archive_one: Callable[[Recording, Reins], StoredObject],
    *,
    proceed: Callable[[], None],
    retries: Retries,
    concurrency: int,
) -> Iterator[tuple[Recording, Outcome]]:
    """Archive recordings side by side and yield each one's outcome as it ends.

    A passing fault is tried again and then, like a refused recording, an outcome. Anything else ends the transfer:
    no download starts after it, those under way finish, their outcomes come, and then it is raised. A generator that
    is closed stops its downloads in the middle.

    :param archive_one: brings one recording to its key; asks the reins before it downloads.
    :param concurrency: threads, and so downloads at a time.
    """
    progress = Progress(len(recordings))
    reins = Reins(proceed, progress)
    waiting = iter(recordings)
    running: dict[Future[Outcome | None], Recording] = {}

    def outcome(recording: Recording) -> Outcome | None:
        what = f"recording {recording.recording_id}"
        try:
            return retries.call(what, lambda: archive_one(recording, reins), sleep=reins.pause)
        # An outcome is a new error: the caught one holds on to its frames, and to the part of a recording in them
        except Passing as error:
            return Passing(f"{error} (tried {retries.tries} times)", error.retry_after)
        except Refused as error:
            return Refused(str(error))
        except Ended:
            return None
        except BaseException as error:
            reins.end(error)
            return None

    with ThreadPoolExecutor(concurrency, thread_name_prefix="recording") as threads:
        try:
            while True:
                while not reins.are_pulled and len(running) < concurrency and (recording := next(waiting, None)):
                    running[threads.submit(outcome, recording)] = recording
                if not running:
                    break
                done, _ = wait(running, timeout=PROGRESS_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    recording, ended = running.pop(future), future.result()
                    if ended is not None:
                        progress.ended(archived=isinstance(ended, StoredObject))
                        yield recording, ended
                if progress.due(PROGRESS_SECONDS):
                    logger.info("%s", str(progress))
        finally:
            reins.abandon()
    logger.info("%s", str(progress))
    if reins.cause:
        raise reins.cause
