"""The way to the service: every request this program makes starts in this folder.

It is the only place that imports httpx, and it never imports the sandbox: a misreading of the
service here must not be able to agree with the same misreading there.
"""
