"""Worker processes, which grids and searches share."""
