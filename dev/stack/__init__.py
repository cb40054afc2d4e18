# SPDX-License-Identifier: Apache-2.0
"""The whole system of ``docker-compose.yaml`` as plain processes on one machine, and what both ways share."""
