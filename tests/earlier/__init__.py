"""What earlier versions wrote, and that today's reads it, finds it again and goes on with it."""

from pathlib import Path

#: The folder of it; see its README.
EARLIER = Path(__file__).parent
