"""Everything that is done to one cluster: layout, observe, plan, act, in that order."""
