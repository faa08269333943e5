"""tacita: the backend of federated learning for on-device assistants."""
