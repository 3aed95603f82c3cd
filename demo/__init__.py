"""Shows a whole fleet at work on this machine: ``python -m demo``. It uses the command lines as a user does."""
