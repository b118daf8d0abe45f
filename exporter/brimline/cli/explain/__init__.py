"""`brimline explain`."""
