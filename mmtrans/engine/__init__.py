"""One engine for what outgrows a process: tasks done here, by workers of this machine, or on a cluster."""
