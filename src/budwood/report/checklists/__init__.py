"""Reporting checklists, filled from a run as far as the run shows what an item asks; the rest stays a question."""
