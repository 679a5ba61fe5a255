"""What we ask of PostgreSQL that Django does not: its clock, guards, compiled statements, encrypted columns."""
