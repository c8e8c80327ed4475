"""Image archives, procedural scenes and features of them."""
