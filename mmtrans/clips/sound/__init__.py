"""The sound of a recording: decoded by FFmpeg in a child process, as one channel of 16 kHz."""
