"""Decides from all values how each column of texts is read, with notes for people and formats for the schema."""
