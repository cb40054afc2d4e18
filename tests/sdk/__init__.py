# SPDX-License-Identifier: Apache-2.0
"""The official SDK of Genesys Cloud, a client that nobody here wrote, against the simulator and our own requests."""
