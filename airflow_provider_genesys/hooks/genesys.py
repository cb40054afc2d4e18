# SPDX-License-Identifier: Apache-2.0
"""The Airflow connection to a Genesys Cloud organisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient, shared_session
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.errors import ExportError, InvalidInput
from airflow_provider_genesys.export.model import Organisation
from airflow_provider_genesys.export.ports import ExportApi
from airflow_provider_genesys.hooks.form import FIELDS, HIDDEN, PLACEHOLDERS, RELABELED, widgets

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_genesys.export.estimate import Costs


class _Api(ExportApi, Protocol):
    def answers(self, organisation: Organisation) -> str:
        """What the organisation answers to the calls that an export needs."""


def _guide(client: GenesysClient, hook: GenesysHook) -> _Api:
    return GuideApi(client)


def _batch(client: GenesysClient, hook: GenesysHook) -> _Api:
    return BatchApi(client, include_numbers=hook.include_numbers)


def _bulk(client: GenesysClient, hook: GenesysHook) -> _Api:
    return BulkApi(client, hook.integration_id, include_numbers=hook.include_numbers)


_APIS: dict[str, Callable[[GenesysClient, GenesysHook], _Api]] = {"guide": _guide, "batch": _batch, "bulk": _bulk}


@dataclass(frozen=True)
class Limits:
    """The organisation's rate budgets, as its connection states them."""

    requests_per_minute: int
    polls_per_minute: int


class GenesysHook(BaseHook):
    """Speaks to one Genesys Cloud organisation with OAuth client credentials.

    The connection's ``host`` is the API host or a full base URL, ``login`` the OAuth client id, ``password`` the client
    secret; its extras are those of :mod:`airflow_provider_genesys.hooks.form`.

    :param genesys_conn_id: the connection of type ``genesys``.
    :param connection: the connection itself, where it was looked up already, as on a triggerer's event loop.
    """

    conn_name_attr = "genesys_conn_id"
    default_conn_name = "genesys_default"
    conn_type = "genesys"
    hook_name = "Genesys Cloud"

    def __init__(self, genesys_conn_id: str = default_conn_name, connection: Connection | None = None) -> None:
        super().__init__()
        self.genesys_conn_id = genesys_conn_id
        if connection is not None:
            self.connection = connection

    @classmethod
    async def looked_up(cls, genesys_conn_id: str) -> GenesysHook:
        """A hook whose connection was read without blocking the event loop."""
        return cls(genesys_conn_id, await get_async_connection(genesys_conn_id))

    @cached_property
    def connection(self) -> Connection:
        return self.get_connection(self.genesys_conn_id)

    @cached_property
    def settings(self) -> ClientSettings:
        """Host, client and transport.

        :raises InvalidInput: for an empty host, a wrong scheme, a missing client id or secret, a wrong extra.
        """
        connection, extras = self.connection, self._extras
        if not connection.login or not connection.password:
            what = "login (the OAuth client id)" if not connection.login else "password (the OAuth client secret)"
            raise InvalidInput(f"the connection {self.genesys_conn_id!r} has no {what}")
        return ClientSettings(
            hosts=resolve_hosts(_host_of(connection), extras.get("login_url")),
            client_id=connection.login,
            client_secret=connection.password,
            proxy=extras.get("proxy") or None,
            verify=self._verify,
            timeout=self._number("timeout", least=0.1),
        )

    @cached_property
    def limits(self) -> Limits:
        return Limits(
            requests_per_minute=int(self._number("requests_per_minute", least=1)),
            polls_per_minute=int(self._number("polls_per_minute", least=1)),
        )

    @property
    def organisation(self) -> Organisation:
        return Organisation(self.settings.hosts.name, self.settings.client_id)

    @property
    def export_api(self) -> str:
        """The name of the API that exports.

        :raises InvalidInput: where the connection names one that is unknown.
        """
        name = str(self._extras.get("export_api") or "guide")
        if name not in _APIS:
            raise InvalidInput(
                f"the extra 'export_api' of connection {self.genesys_conn_id!r} says {name!r}, which is unknown: "
                f"use one of {', '.join(_APIS)}"
            )
        return name

    @property
    def allow_private_downloads(self) -> bool:
        return self._flag("allow_private_downloads")

    @property
    def include_numbers(self) -> bool:
        return self._flag("include_numbers")

    @property
    def integration_id(self) -> str:
        """The integration that bulk jobs export through.

        :raises InvalidInput: where the connection names none.
        """
        integration_id = str(self._extras.get("integration_id") or "").strip()
        if not integration_id:
            raise InvalidInput(
                f"the connection {self.genesys_conn_id!r} has no extra 'integration_id', which bulk jobs need: the "
                "id of the AWS S3 Recording Bulk Actions integration whose bucket receives the recordings"
            )
        return integration_id

    def get_conn(
        self, *, tries: int = 5, before_request: Callable[[], None] = lambda: None, shared: bool = False
    ) -> GenesysClient:
        """A client of the organisation's API.

        :param tries: how often a request whose fault may pass is made in all.
        :param before_request: called before every request, for the rate budget.
        :param shared: whether it uses the connections of all such clients of this process.
        """
        session = shared_session(self.settings) if shared else None
        return GenesysClient(
            self.settings, tries=tries, before_request=before_request, on_token=mask_secret, session=session
        )

    def get_api(
        self, *, tries: int = 5, before_request: Callable[[], None] = lambda: None, shared: bool = False
    ) -> _Api:
        """The export API that the connection's ``export_api`` names, for the coordinator: see :meth:`get_conn`."""
        return _APIS[self.export_api](self.get_conn(tries=tries, before_request=before_request, shared=shared), self)

    def costs(self, media_format: str, export_api: str = "") -> Costs:
        """What an export asks of the platform.

        :param media_format: as a request has it.
        :param export_api: by another API than the connection's.
        """
        from airflow_provider_genesys.api.costs import costs_of  # no task needs it

        return costs_of(export_api or self.export_api, media_format)

    def test_connection(self) -> tuple[bool, str]:
        """Log in and try what an export needs of the API that the connection names: the UI's Test button."""
        try:
            answers = self.get_api(tries=1).answers(self.organisation)
        except ExportError as error:
            return False, str(error)
        return True, f"Logged in at {self.settings.hosts.name}; {answers}"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form's standard fields, for Airflow before 3.2."""
        return {"hidden_fields": HIDDEN, "relabeling": RELABELED, "placeholders": PLACEHOLDERS}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's extra fields, for Airflow before 3.2."""
        return widgets()

    @cached_property
    def _extras(self) -> dict[str, Any]:
        """The extras of the form, and no others."""
        given = self.connection.extra_dejson
        return {name: given[name] for name in FIELDS if given.get(name) not in (None, "")}

    @property
    def _verify(self) -> bool | str:
        verify = self._extras.get("verify", True)
        if isinstance(verify, bool) or str(verify).lower() in _FLAGS:
            return self._flag("verify")
        if not Path(str(verify)).exists():
            raise InvalidInput(
                f"the extra 'verify' of connection {self.genesys_conn_id!r} must be true, false or the path of a CA "
                f"bundle, and there is none at {str(verify)!r}"
            )
        return str(verify)

    def _flag(self, name: str) -> bool:
        value = self._extras.get(name, FIELDS[name]["schema"]["default"])
        if isinstance(value, bool):
            return value
        if str(value).lower() not in _FLAGS:
            raise InvalidInput(f"the extra {name!r} of connection {self.genesys_conn_id!r} must be true or false")
        return _FLAGS[str(value).lower()]

    def _number(self, name: str, least: float) -> float:
        value = self._extras.get(name, FIELDS[name]["schema"]["default"])
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = least - 1
        if not least <= number < math.inf:
            raise InvalidInput(
                f"the extra {name!r} of connection {self.genesys_conn_id!r} must be a number of at least {least}"
            )
        return number


_FLAGS = {"true": True, "false": False}


def _host_of(connection: Connection) -> str:
    host = connection.host or ""
    if connection.port and host and ":" not in host.split("://", 1)[-1]:
        host = f"{host}:{connection.port}"
    if connection.schema and host and "://" not in host:
        host = f"{connection.schema}://{host}"
    return host
