"""Mechanisms broken on purpose, a module for each room of the package."""
