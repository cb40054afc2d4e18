# SPDX-License-Identifier: Apache-2.0
"""The published Genesys Cloud Platform API, as the models of the official SDK have it, beside the guide's."""

from __future__ import annotations
