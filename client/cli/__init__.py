"""The command line of the client: options and texts. What the commands do is in the modules above."""
