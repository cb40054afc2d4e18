# SPDX-License-Identifier: Apache-2.0
"""Batch requests over the wire: the story of a day, and what clients in the field get wrong."""
