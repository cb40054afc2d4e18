# SPDX-License-Identifier: Apache-2.0
"""The ledger's contract, as ``export/ports.py`` states it, on every backend."""
