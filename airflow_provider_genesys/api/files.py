# SPDX-License-Identifier: Apache-2.0
"""The files of recordings: each under a name of its own, whatever the order in which the platform lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from airflow_provider_genesys.export.model import Recording


def numbered(files: Iterable[Recording]) -> tuple[Recording, ...]:
    """Files under names of their own: the recording's id, and a number after it where a recording has several.

    A job that is asked again, or one that replaces it, may list them in another order: they are numbered by media type
    and by the path of their URLs, which says which of the files it is.

    :param files: with the recording's id as their name.
    """
    by_recording: dict[str, list[Recording]] = {}
    for file in files:
        by_recording.setdefault(file.recording_id, []).append(file)
    return tuple(
        file if len(same) == 1 else replace(file, recording_id=f"{recording_id}_{number}")
        for recording_id, same in by_recording.items()
        for number, file in enumerate(sorted(same, key=_place))
    )


def _place(file: Recording) -> tuple[bool, str, str, str]:
    return file.url is None, file.media_type or "", urlsplit(file.url or "").path, file.reason or ""
