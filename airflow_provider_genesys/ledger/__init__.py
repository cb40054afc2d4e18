# SPDX-License-Identifier: Apache-2.0
"""The shared record of requests, attempts, leases and rate budgets, on databases that companies have."""
