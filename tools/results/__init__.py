"""What was measured, on pages: tables and figures of `docs`, written from the files of `docs/results`."""
