"""What meets the operating system and the terminal: files, leases, interrupts, errors, escaped text."""
