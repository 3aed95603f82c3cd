"""How far a run is, and whether it is over."""
