"""One grid in each of several synthetic worlds: where rows beat one of them, as a table and a map."""
