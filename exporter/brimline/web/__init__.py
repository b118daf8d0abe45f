"""The HTTP face: it reads the view and nothing else."""
