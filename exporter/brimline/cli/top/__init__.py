"""`brimline top`."""
