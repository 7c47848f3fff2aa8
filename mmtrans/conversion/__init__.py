"""From a corpus to records: folds, statistics, notes; inspection and verification of records."""
