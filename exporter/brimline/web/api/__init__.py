"""The REST API: the paths under /api/v1 and /health, what they take and what they answer."""
