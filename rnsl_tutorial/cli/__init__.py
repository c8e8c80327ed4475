"""The command `rnsl`."""
