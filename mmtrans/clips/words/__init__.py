"""Words and their times: read from files beside a recording, found by aligning a transcript, or recognised."""
