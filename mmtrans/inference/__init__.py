"""Trained runs at work: translation, prediction, export to a SavedModel."""
