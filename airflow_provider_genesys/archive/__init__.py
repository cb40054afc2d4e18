# SPDX-License-Identifier: Apache-2.0
"""The user's object storage: what lies under which key, and how it gets there whole or not at all."""
