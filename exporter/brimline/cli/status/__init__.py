"""`brimline status`."""
