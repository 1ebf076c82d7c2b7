"""What is odd in a data set, before anything is trained on it. `budwood.audit` is the function, so this is not its name."""
