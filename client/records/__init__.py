"""Records of runs on this machine and in the store: their pushes, their instructions, their tasks' durations."""
