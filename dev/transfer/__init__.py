# SPDX-License-Identifier: Apache-2.0
"""The world of ``dev/bench_transfer.py``: a source, two sinks, a long wire between, and those who carry recordings."""
