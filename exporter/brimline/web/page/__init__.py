"""The pages for people: what a tick is gathered into, and what is drawn of it."""
