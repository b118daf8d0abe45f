"""Whether an action may be taken now: firing alerts, facts and the ledger to decisions. Pure."""
