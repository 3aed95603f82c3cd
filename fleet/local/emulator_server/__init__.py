"""Serves the emulator to the fleet's owner only: checks each request's signature, and saves the state again and again.

This package runs in the emulator's own Python, so it imports the standard library, hypercorn and the emulator alone.
"""
