"""Words in context: text encoders of the BERT family, read from a folder, in Keras."""
