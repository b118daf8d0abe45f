"""The judge: YAML threshold rules over the measures. Pure: time comes in as values, nothing is read or written."""
