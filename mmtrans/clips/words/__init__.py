"""Words and their times: read from files beside a recording, or found by aligning a transcript."""
