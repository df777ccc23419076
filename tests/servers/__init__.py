"""Tests with real database servers."""
