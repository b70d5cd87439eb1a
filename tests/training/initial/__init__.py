"""Tests of starting from trained layers."""
