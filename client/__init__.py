"""The client: makes workloads, pushes them, follows runs, and brings results and videos home."""
