"""Encodes and decodes the wire formats: JSON on the queues, and a chunk's progress in its ledger item."""
