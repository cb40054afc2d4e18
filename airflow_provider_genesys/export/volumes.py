# SPDX-License-Identifier: Apache-2.0
"""How many recordings a window holds: asked of the platform, else remembered from weeks before (guide, edge case 1)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from functools import cached_property

from airflow_provider_genesys.export.errors import NoAccess, Passing, Refused
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow
from airflow_provider_genesys.export.planning import WEEKS_OF_HISTORY, volume_from_history
from airflow_provider_genesys.export.ports import ExportApi, Ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Volumes:
    """The volumes of one day's windows. Once the platform's estimate has failed for good it is not asked again.

    :param day: the day's request; its windows are asked for one by one.
    :param timezone: whose weekdays count in the history.
    """

    api: ExportApi
    ledger: Ledger
    day: ExportRequest
    timezone: tzinfo

    def __call__(self, window: ExportWindow) -> int | None:
        """Recordings in ``window``; None where neither the platform nor the history knows.

        :raises NoAccess: where the platform can't be spoken to at all.
        """
        if "_history" not in self.__dict__:
            try:
                recordings = self.api.volume(replace(self.day, window=window))
            except NoAccess:
                raise
            except (Passing, Refused) as error:
                logger.warning("No estimate for window %s, so the ledger's history decides: %s", window, error)
            else:
                self.ledger.record_volume(self.day.selection_key, window, recordings)
                return recordings
        remembered = volume_from_history(window, self.timezone, self._history)
        return None if remembered is None else max(1, remembered)  # no history proves a window empty

    @cached_property
    def _history(self) -> Mapping[ExportWindow, int]:
        start = self.day.window.start.timestamp()
        since = start - timedelta(weeks=WEEKS_OF_HISTORY, days=1).total_seconds()
        return self.ledger.volumes(self.day.selection_key, since, start)
