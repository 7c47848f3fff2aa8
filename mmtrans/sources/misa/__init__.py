"""Reader of MISA's and MAG's pickles: lists of samples."""
