"""`brimline config`."""
