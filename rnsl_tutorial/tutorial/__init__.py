"""What the notebooks show: explorers, exercises, figures."""
