"""From clips of people who talk to a corpus: sound and picture decoded, voice and face measured, words timed."""
