"""Which labels of an archive are wrong."""
