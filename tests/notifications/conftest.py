# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.rig import rig

__all__ = ["rig"]
