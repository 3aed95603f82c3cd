"""Workloads of slideshows."""
