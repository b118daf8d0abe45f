"""`brimline check`, and its `--watch` and `--oom`."""
