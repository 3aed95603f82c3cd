"""How words travel: JSON on the queues, and a chunk's progress in its ledger item."""
