"""What Brimline did and why, in one SQLite file: intents before anything is done, outcomes after it."""
