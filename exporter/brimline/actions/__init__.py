"""Decisions to the world: one file per action, each with `run` and `verify`; the runner does one per subject."""
