"""Tables that explorers show."""
