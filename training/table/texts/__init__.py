"""What the texts of a table's columns are: found from all of a column's values, said in notes, kept in the schema."""
