"""What people and programs get to see: one function a noun, pure, from noun to text.

Nothing here prints, reads a clock or asks anybody; ``progress`` alone writes, to a stream it is
given. No view shows an address that is not masked.
"""
