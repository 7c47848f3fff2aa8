"""The record format and nothing else: schema, manifest, writer, reader.

`schema` and `manifest` need no TensorFlow, and this package imports neither `writer` nor `reader`: a source that yields
segments must not pay for TensorFlow's start.
"""
