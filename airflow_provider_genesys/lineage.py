# SPDX-License-Identifier: Apache-2.0
"""Lineage for OpenLineage: from an organisation's recordings to an archive. Needs the extra [openlineage]."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.generated.base import OutputDatasetFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.naming.dataset import ABFSS, GCS, S3, DatasetNaming, LocalFileSystem

from airflow_provider_genesys.export.metering import Figure

if TYPE_CHECKING:
    from airflow_provider_genesys.export.model import Organisation

Lineage = OperatorLineage[Dataset, Any]

RECONCILIATION = "genesys_reconciliation"
"""The key of :class:`ReconciliationOutputDatasetFacet` among a dataset's output facets."""


@attr.define
class ReconciliationOutputDatasetFacet(OutputDatasetFacet):
    """What the reconciliation of an interval came to.

    :param start: when the interval begins, ISO 8601 in UTC.
    :param end: when it ends.
    :param expected: recordings that were promised: archived, unavailable and failed together, where nothing is lost.
    """

    start: str = attr.field()
    end: str = attr.field()
    expected: int = attr.field()
    archived: int = attr.field()
    unavailable: int = attr.field()
    failed: int = attr.field()

    _additional_skip_redact: ClassVar[list[str]] = ["start", "end", "expected", "archived", "unavailable", "failed"]


def of_retrieval(organisation: Organisation, destination: str, counts: Mapping[Figure, int]) -> Lineage:
    """What a retrieval moved: recordings and bytes that it archived itself, since it last waited.

    :param destination: as the archive tells it.
    """
    recordings = counts.get(Figure.RECORDINGS, 0)
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=recordings, size=counts.get(Figure.BYTES, 0), fileCount=recordings
    )
    return _lineage(organisation, destination, {"outputStatistics": statistics})


def of_reconciliation(organisation: Organisation, destination: str, outcome: Mapping[str, Any]) -> Lineage:
    """What an interval came to.

    :param outcome: the arguments of :class:`ReconciliationOutputDatasetFacet`.
    """
    return _lineage(organisation, destination, {RECONCILIATION: ReconciliationOutputDatasetFacet(**outcome)})


def _lineage(organisation: Organisation, destination: str, facets: dict[str, OutputDatasetFacet]) -> Lineage:
    source = InputDataset(namespace=f"genesys://{organisation.host}", name=f"{organisation.client_id}/recordings")
    named = name_of(destination)
    archive = OutputDataset(namespace=named.get_namespace(), name=named.get_name(), outputFacets=facets)
    return OperatorLineage(inputs=[source], outputs=[archive])


def name_of(destination: str) -> DatasetNaming:
    """An archive's name by OpenLineage's conventions.

    :param destination: as the archive tells it: ``s3://bucket/prefix``, ``gs://…``, ``file:///path``, and the URL of a
        container and prefix in Azure.
    """
    parts = urlsplit(destination)
    path = unquote(parts.path)
    if parts.scheme == "file":
        return LocalFileSystem(path)
    if parts.scheme in ("s3", "gs"):
        return (S3 if parts.scheme == "s3" else GCS)(parts.netloc, path.strip("/") or "/")
    host, segments = parts.hostname or "", path.strip("/").split("/")
    account = segments.pop(0) if _is_emulator(host) else host.partition(".")[0]
    return ABFSS(segments[0], account, "/".join(segments[1:]) or "/")


def _is_emulator(host: str) -> bool:
    """Azure's emulators have the account in the path: they have no domain of their own."""
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
