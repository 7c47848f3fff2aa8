"""The segment explorer: one page on which the segments of a split are looked at, one by one and all together."""
