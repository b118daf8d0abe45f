"""`brimline report`."""
