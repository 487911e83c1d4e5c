"""One function per AWS operation; reads and writes rows; starts nothing."""
