"""Processes of the local fleet: started under a shim, found again, and ended with all that they detached."""
