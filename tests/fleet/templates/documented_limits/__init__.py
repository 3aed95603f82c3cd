"""Limits that stand only in the text of AWS's API documentation, and the check of all requests against them."""
