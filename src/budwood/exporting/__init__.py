"""A trained model in other formats, each checked in its own runtime before it is handed on."""
