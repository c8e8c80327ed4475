"""The training helpers that a researcher reuses."""
