# SPDX-License-Identifier: Apache-2.0
"""The organisation's recording settings: how long its presigned URLs live."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call

logger = logging.getLogger(__name__)

SETTINGS = Call("GET", "/api/v2/recording/settings", "Recording > Settings > View")

DEFAULT_MINUTES = 60


@dataclass
class RecordingSettings:
    """Asked once, when they are needed first.

    Not by a ``cached_property``: until Python 3.12 that has one lock for all objects, and a request may take its time.
    """

    client: GenesysClient
    _answer: dict[str, Any] | None = None

    @property
    def batch_url_seconds(self) -> float:
        """The life of the URLs of a batch request's results."""
        return self._seconds("recordingBatchDownloadUrlTtl")

    @property
    def playback_url_seconds(self) -> float:
        """The life of the URLs of one conversation's recordings."""
        return self._seconds("recordingPlaybackUrlTtl")

    def _seconds(self, name: str) -> float:
        if self._answer is None:
            self._answer = self._asked()
        minutes = self._answer.get(name)
        return 60.0 * (minutes if isinstance(minutes, int) and minutes > 0 else DEFAULT_MINUTES)

    def _asked(self) -> dict[str, Any]:
        try:
            return self.client.call(SETTINGS)
        except ApiRefused as refused:
            logger.warning("The life of URLs is taken to be %d minutes, the default: %s", DEFAULT_MINUTES, refused)
            return {}
