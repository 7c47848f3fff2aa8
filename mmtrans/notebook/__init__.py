"""What `mmtrans.api` adds for notebooks: one call from files to a trained run, tables, pictures."""
