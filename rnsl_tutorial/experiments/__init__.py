"""Runs, grids of runs, and their results."""
