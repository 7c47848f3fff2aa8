"""Functional models and what they minimise: translator, regressor, targets, losses."""
