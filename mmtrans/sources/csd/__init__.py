"""Reader of CMU computational sequences: words, vectors, audio, video and labels with times."""
