"""`brimline rules` and its own verbs."""
