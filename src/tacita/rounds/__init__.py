"""The walk of a round: a loop in a process of its own, one module a step, each idempotent (design §1)."""
