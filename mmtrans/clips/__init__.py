"""From clips of people who talk to a corpus: sound decoded, voice measured, words timed."""
