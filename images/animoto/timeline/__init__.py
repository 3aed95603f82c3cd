"""Which pictures a film shows, when, and how one gives way to the next."""
