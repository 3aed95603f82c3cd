"""What the commands print: tables, progress bars, JSON and pages."""
