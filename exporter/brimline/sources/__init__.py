"""The world turned into readings: one file a source, its options, pure parser and reader."""
