# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with an export, in words that a data engineer can act on.

None of these carries a secret: whoever raises one has taken tokens and presigned URLs out of its text.
"""

from __future__ import annotations


class ExportError(Exception):
    """Base of all errors of this provider's domain."""


class InvalidInput(ExportError):
    """An argument, param or connection setting that no retry can mend."""


class ExportFailed(ExportError):
    """An expected end of a window: its budget is used up, or the platform refused it. A retry changes nothing."""


class Passing(ExportError):
    """A fault that is likely to pass: 429, 5xx, a lost connection, a short body.

    :param message: what happened.
    :param retry_after: seconds that the other side asked to wait, or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[Passing], tuple[str, float | None]]:
        return (type(self), (str(self), self.retry_after))


class NotYet(Passing):
    """Nothing is wrong, and something has to come first: a slot for a job, a delivery. Waiting for it costs no try.

    :param retry_after: when looking again makes sense; None: as often as jobs are polled.
    """


class OutcomeUnknown(Passing):
    """A ``POST`` whose answer was lost: the job may exist or not (guide, edge case 3). Never repeated blindly."""


class Refused(ExportFailed):
    """The platform's final no: a 4xx other than 401 and 429."""


class NoAccess(Refused):
    """The platform can't be spoken to at all: the login is refused, or TLS fails."""


class LeaseLost(ExportError):
    """Another process took the window over; whoever gets this stops writing at once."""


class UrlsExpired(ExportError):
    """The presigned URLs ran out, or are too close to it (guide, edge case 2)."""


class WrongBody(Passing):
    """A source that sent something else than the recording: too little, too much, another media type."""


class NoReceipt(ExportError):
    """A document in a receipt's place that is none: it proves nothing."""
