"""Declarative reconciliation of NICE CXone suppression lists."""

__version__ = "0.1.0"
