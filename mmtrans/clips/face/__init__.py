"""The face of who speaks: found in the picture, followed, and measured by 468 points."""
