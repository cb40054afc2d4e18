# SPDX-License-Identifier: Apache-2.0
"""The right to write for a request, as fields of its document: who may take it, who has it, who lost it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airflow_provider_genesys.export.entry import Attempt, Entry, Lease
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.ledger.documents import Document, entry_of, window_of

FREE: Document = {"held_by": "", "held_until": 0.0, "held_exclusively": False}
"""A request that nobody holds; its fence stays as it is."""

NEVER_HELD: Document = {"fence": 0, **FREE}


def is_live(document: Document, now: float) -> bool:
    return bool(document["held_until"] > now)


def may_take(document: Document, owner: str, now: float) -> bool:
    """Whether the lease is free, has run out, or is the owner's own and not exclusive."""
    own = document["held_by"] == owner and not document["held_exclusively"]
    return own or not is_live(document, now)


def taken(document: Document, owner: str, seconds: float, now: float, *, last_fence: int = 0) -> Lease:
    """The lease of the next acquisition.

    :param last_fence: the last one of an earlier life of the request, before it was forgotten.
    """
    fence = max(document["fence"], last_fence) + 1
    return Lease(document["request_key"], owner, fence, now + seconds, seconds)


def holding(lease: Lease, *, exclusive: bool) -> dict[str, Any]:
    """The fields that say who holds a request."""
    return {
        "fence": lease.fence,
        "held_by": lease.owner,
        "held_until": lease.until,
        "held_exclusively": exclusive,
    }


def broken(document: Document) -> dict[str, Any]:
    """The fields of a lease that is taken away: free to all, and whoever had it fenced off."""
    return {**FREE, "fence": document["fence"] + 1}


def check(document: Document | None, lease: Lease) -> Document:
    """Let only the newest acquisition pass.

    A lease that has merely run out is good as long as nobody else has come: only another fence ends it.

    :return: the document.
    :raises LeaseLost: where another acquisition has come since, or the request was forgotten.
    """
    if document is None:
        raise LeaseLost(f"request {lease.key} is gone from the ledger: was it forgotten while {lease.owner} worked?")
    if document["fence"] != lease.fence:
        holder = document["held_by"] or "another process, which has left again"
        raise LeaseLost(f"window {window_of(document)} was taken over from {lease.owner} by {holder}")
    return document


def entry_with_holder(document: Document, attempts: Iterable[Attempt], now: float) -> Entry:
    """The entry as anybody reads it: with its holder, where there is one."""
    entry = entry_of(document, attempts)
    if not is_live(document, now):
        return entry
    return replace(entry, held_by=document["held_by"], held_until=document["held_until"])
