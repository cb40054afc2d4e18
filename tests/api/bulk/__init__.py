# SPDX-License-Identifier: Apache-2.0
"""Bulk jobs over the wire: made, ready, started, fulfilled, delivered; found again, refused, discarded."""
