"""Checks what an account must have before anything is changed. Each check is a file, named after what it looks at.

A check raises ``InvalidInput`` with the remedy if the fleet could not work, and reports a warning if it might not. What
the account does not tell refuses nothing.
"""
