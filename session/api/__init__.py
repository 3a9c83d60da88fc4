"""The service over HTTP: a module for each part of its routes."""
