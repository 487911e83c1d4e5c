"""Where replicas and leaders should be, and the next few moves towards it. Pure: facts in, moves with their reasons out."""
