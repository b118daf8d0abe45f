"""Who may come in: the web file, its certificates and passwords, tokens, names, a rate."""
