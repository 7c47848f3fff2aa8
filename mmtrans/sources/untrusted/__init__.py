"""Files that may be damaged or hostile: HDF5 in a child process, .npz, pickles."""
