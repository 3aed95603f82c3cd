"""Runs the target ``local``: an emulator process and worker processes on this machine, kept alive by a supervisor.

``python -m fleet up`` starts the supervisor, ``python -m fleet.local``. The two communicate through files in the state
directory: the command line writes the desired state, and the supervisor writes the actual state.
"""
