# SPDX-License-Identifier: Apache-2.0
"""What Genesys Cloud delivers into the bucket by itself: by organisation, hour and conversation.

``{organisation}/year=2024/month=05/day=01/hour=09/conversation_id={id}/{recording}.{ending}``, each with a
``…_metadata.json`` beside it. It lies beside our own ``manifests/``, ``receipts/`` and ``reports/``, and stays there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from airflow_provider_genesys.archive.facts import facts
from airflow_provider_genesys.archive.stores import Browsable, Store
from airflow_provider_genesys.archive.writing import media_type
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ReceiptLine, Recording

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ORGANISATION = re.compile(_UUID)
_RECORDING = re.compile(rf"{_UUID}|[^._][^.]*")
_DELIVERED = re.compile(r"[^/]+/year=\d+/month=\d+/day=\d+/hour=\d+/conversation_id=([^/]+)/([^/]+)")
_METADATA = "_metadata.json"

_HOUR = timedelta(hours=1)


def delivered(store: Store, conversations: Mapping[str, float]) -> Iterator[Recording]:
    """The files of these conversations that were delivered, each with its recording's id and where it lies.

    The hours in which the conversations began are listed, 1,000 objects a request, and the hour after each of them: the
    recording of a call that is transferred may begin later.

    :param conversations: when each began, epoch seconds, by id.
    :raises InvalidInput: for a store that Genesys Cloud doesn't deliver into.
    """
    if not isinstance(store, Browsable):
        raise InvalidInput(
            f"Genesys Cloud delivers the recordings of bulk jobs into S3: {store.destination} can't be their "
            "destination, which is the integration's own bucket, such as s3://conn_id@bucket"
        )
    if not conversations:
        return
    organisations = [folder for folder in store.folders() if _ORGANISATION.fullmatch(folder)]
    begun = {
        datetime.fromtimestamp(start, UTC).replace(minute=0, second=0, microsecond=0)
        for start in conversations.values()
    }
    for organisation in organisations:
        for hour in sorted(begun | {hour + _HOUR for hour in begun}):
            for stored in store.browse(f"{organisation}/{_folder(hour)}/"):
                place = _DELIVERED.fullmatch(stored.key)
                if place is None or place[1] not in conversations or place[2].endswith(_METADATA):
                    continue
                recording_id = _RECORDING.match(place[2])
                if recording_id is not None:
                    yield Recording(
                        recording_id[0],
                        None,
                        conversation_id=place[1],
                        media_type=media_type(stored.key),
                        extension=PurePosixPath(stored.key).suffix.lstrip(".") or None,
                        stored=stored,
                    )


def overlooked(store: Store, lines: Iterable[ReceiptLine]) -> Iterator[Recording]:
    """The files of a receipt's conversations that were delivered and that it does not name, as :func:`delivered` gives
    them: they came after it was written.
    """
    named: set[str | None] = set()
    conversations: dict[str, float] = {}
    for line in lines:
        named.add(line.key)
        known = facts(line.metadata)
        if known.conversation_id and known.started_at:
            conversations[known.conversation_id] = known.started_at.timestamp()
    for file in delivered(store, conversations):
        if file.stored is not None and file.stored.key not in named:
            yield file


def _folder(hour: datetime) -> str:
    return f"year={hour:%Y}/month={hour:%m}/day={hour:%d}/hour={hour:%H}"
