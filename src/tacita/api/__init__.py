"""The HTTP door: submit, enrol, models, health (contract §2 to §6). Never starts training."""
