"""From files to one typed table, and from that table to a schema, to parts and to arrays."""
