"""The input of training: records, batches, codebooks."""
