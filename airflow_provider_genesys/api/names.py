# SPDX-License-Identifier: Apache-2.0
"""The names behind the ids of queues and users: looked up once, and done without where that is not allowed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call

logger = logging.getLogger(__name__)

QUEUES = Call("GET", "/api/v2/routing/queues", "Routing > Queue > View")
USERS = Call("GET", "/api/v2/users", "Directory > User > View")

_IDS_A_REQUEST = 100


@dataclass
class Names:
    """Names by id, of one kind of thing.

    :param call: lists things by their ids.
    :param params: what else it is told.
    """

    client: GenesysClient
    call: Call
    params: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)
    _is_allowed: bool = True

    def of(self, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of these ids; an empty one for what is not known, such as a queue that was deleted."""
        wanted = list(dict.fromkeys(ids))
        unknown = [one for one in wanted if one not in self._known]
        for start in range(0, len(unknown), _IDS_A_REQUEST):
            self._look_up(unknown[start : start + _IDS_A_REQUEST])
        return {one: self._known[one] for one in wanted}

    def _look_up(self, ids: list[str]) -> None:
        found = {}
        if self._is_allowed:
            try:
                answer = self.client.call(self.call, params={**self.params, "id": ids, "pageSize": _IDS_A_REQUEST})
                found = {str(one.get("id")): str(one.get("name") or "") for one in answer.get("entities") or ()}
            except ApiRefused as refused:
                logger.warning("Manifests have ids without names: %s", refused)
                self._is_allowed = False
        self._known.update({one: found.get(one, "") for one in ids})
