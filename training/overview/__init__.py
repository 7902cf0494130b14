"""What a table holds, before anything is trained: each column's facts, and what about them asks for a look."""
