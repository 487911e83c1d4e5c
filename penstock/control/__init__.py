"""The loop and what it runs: reads desired, looks, plans purely, acts, looks again."""
