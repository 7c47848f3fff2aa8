"""What earlier versions wrote, and that today's reads it, finds it again and goes on with it; see the README."""

from pathlib import Path

#: Commit → what it made.
SETS = {commit: Path(__file__).parent / commit for commit in ("1d3f9fc", "0b98694")}

#: The oldest of them, of which other tests make copies.
EARLIER = SETS["1d3f9fc"]
