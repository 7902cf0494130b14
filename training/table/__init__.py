"""From files to tables: which files, their bytes, the fields of their texts, the names of their columns."""
