"""`brimline plot`."""
