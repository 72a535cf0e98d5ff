"""The measuring program: ``python -m tests.bench`` prints what the README claims of speed and size.

A program, not tests: it asserts nothing about the product but that a plan that was timed is the
right one. It never measures a thing without what it is held against, in the same run on the same
machine, each in a process of its own.
"""
