"""Making workloads of slideshows."""
