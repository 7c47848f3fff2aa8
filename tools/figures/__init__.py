"""What all files of figures share: where they are from, and the table of ways that are compared."""
