"""Says which pictures a film shows, when, and how one changes to the next."""
