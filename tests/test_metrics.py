# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from airflow_provider_genesys.export.metering import Figure
from airflow_provider_genesys.metrics import PREFIX
from tests.conftest import ROOT


def test_the_page_names_every_metric_and_no_other() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    assert set(re.findall(rf"^\| `{re.escape(PREFIX)}(\w+)` \|", page, re.MULTILINE)) == set(Figure)
