"""The Dockerfile without an engine that builds it: its lines, done in a chroot of Debian."""
