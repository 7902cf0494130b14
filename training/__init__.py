"""From a table to a version: reading, splitting, fitting, evaluating, exporting. Never imports the service."""
