"""Target ``local``: an emulator process and worker processes on this machine, kept alive by a supervisor.

``python -m fleet.local`` is the supervisor; ``python -m fleet up`` starts it. They talk through files in the state
directory: the command line writes what is wanted, the supervisor what it observes.
"""
