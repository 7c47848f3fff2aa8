"""Readers of padded arrays: pickles by split, and the HDF5 files of the MFN family."""
