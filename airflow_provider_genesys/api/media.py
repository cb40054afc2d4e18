# SPDX-License-Identifier: Apache-2.0
"""What a file is, by the media type that the platform declares, and why there is none."""

from __future__ import annotations

from collections.abc import Collection

from airflow_provider_genesys.api.selection import WRITTEN

_EXTENSIONS = {
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/wave": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/webm": "webm",
    "video/webm": "webm",
    "video/mp4": "mp4",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/json": "json",
    "text/plain": "txt",
    "text/html": "html",
    "message/rfc822": "eml",
}
"""Ogg is seen in the field most of all: Opus or Vorbis in it, whatever a file's name says."""

_DOCUMENTS = {"application/json", "text/plain", "text/html", "message/rfc822"}

GONE = {
    "ARCHIVED": "the recording is archived at Genesys Cloud and must be restored there first",
    "RESTORING": "the recording is being restored at Genesys Cloud",
    "DELETED": "the recording was deleted at Genesys Cloud",
    "ERROR": "Genesys Cloud could not provide the recording",
}
"""Why a recording has no media, by its ``fileState``."""


def media_type_of(declared: object) -> str:
    """A declared type without its parameters, in lower case; empty where there is none."""
    return str(declared or "").split(";", 1)[0].strip().lower()


def extension_of(media_type: str) -> str:
    """The ending for a file of a type; ``bin`` for one that is not known here."""
    return _EXTENSIONS.get(media_type, "bin")


def is_wanted(media_type: str, media: Collection[str]) -> bool:
    """Whether a file of a type may be one of the media that were asked for. What can't be told, an archive keeps."""
    if media_type.startswith("audio/"):
        return "audio" in media
    if media_type.startswith("video/"):
        return "screen" in media
    return media_type not in _DOCUMENTS or not set(WRITTEN).isdisjoint(media)
