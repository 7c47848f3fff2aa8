"""Pictures of a run: its scores, the course of its training, its robustness."""
