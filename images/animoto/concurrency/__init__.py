"""Two helpers for work that runs side by side under trio."""
