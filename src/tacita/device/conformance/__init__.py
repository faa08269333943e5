"""Playing a client: golden vectors for client authors, and checks of any server, clause by clause of the contract."""
