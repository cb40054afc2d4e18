# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds these pages: ``make docs``. A page is a Markdown file here; the index finds it."""

from __future__ import annotations

from airflow_provider_genesys import __version__

project = "airflow-provider-genesys"
author = "the authors of airflow-provider-genesys"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"

myst_heading_anchors = 4
suppress_warnings = ["myst.xref_missing", "myst.header"]  # the changelog and the README's words are read elsewhere, too

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # arguments are described by their :param: lines
