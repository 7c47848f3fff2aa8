"""What meets the operating system and the terminal: files, leases, fences, interrupts, errors, escaped text."""
