"""The demo: ``python -m demo``. It uses the fleet and the client as a user does, by their command lines."""
