# SPDX-License-Identifier: Apache-2.0
"""What the published Platform API remembers between requests: details jobs, batch requests, bulk jobs, exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_genesys.simulator.conversations import Conversations
from airflow_provider_genesys.simulator.faults import Fault
from airflow_provider_genesys.simulator.platform.filters import Filter
from airflow_provider_genesys.simulator.platform.search import Search
from airflow_provider_genesys.simulator.universe import Universe


@dataclass(frozen=True, kw_only=True)
class DetailsJob:
    """An asynchronous query for conversation details.

    :param interval: ``[start, end)`` in ms since 1970-01-01 UTC.
    :param whole_days: conversations that started on a day of the interval, not those active within it.
    :param hidden: divisions that its client does not see.
    :param submitted_at: Unix time.
    :param available_ms: until when the data lake had conversations when the job was submitted.
    :param fault: what goes wrong with it.
    """

    job_id: str
    client: str
    interval: tuple[int, int]
    whole_days: bool
    descending: bool
    wanted: Filter
    hidden: frozenset[int]
    submitted_at: float
    available_ms: int
    fault: Fault | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch request.

    :param client: OAuth client that submitted it, and the only one to read it.
    :param asked: ``(conversation id, recording id)``; None is all recordings of the conversation.
    :param submitted_at: Unix time.
    :param hidden: divisions that its client does not see.
    :param fault: what goes wrong with it.
    :param silent: positions in ``asked`` for which nothing comes.
    :param failed: positions in ``asked`` that end with an error, and its words.
    """

    batch_id: str
    client: str
    asked: tuple[tuple[str, str | None], ...]
    submitted_at: float
    hidden: frozenset[int]
    fault: Fault | None
    silent: frozenset[int]
    failed: Mapping[int, str]


class PlatformState:
    """Everything that a reset forgets.

    :param universe: the world.
    """

    def __init__(self, universe: Universe) -> None:
        self.conversations = Conversations(universe)
        self.search = Search(self.conversations)
        self.details_jobs: dict[str, DetailsJob] = {}
        self.batches: dict[str, Batch] = {}
