"""Keras layers: encoder, attention decoder, recurrent loops, bottleneck, dropout, masks."""
