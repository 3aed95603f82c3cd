"""What this machine and the store keep of runs: their instructions, their pushes, how long tasks took."""
