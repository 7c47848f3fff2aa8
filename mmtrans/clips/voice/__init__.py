"""The columns of the voice: 40 numbers each 10 ms."""
