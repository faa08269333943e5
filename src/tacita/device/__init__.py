"""The reference client: plays the iOS app towards a server (contract §1 to §6). Shares protocol, crypto and models."""
