"""Renders the IAM policies of ``fleet/policies`` for one fleet, account and region."""
