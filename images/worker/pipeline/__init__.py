"""The stages that a chunk passes: receive, claim, execute, complete, publish, delete."""
