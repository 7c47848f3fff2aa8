"""Pictures of the documentation that a script takes."""
