"""What is odd in a data set, before anything is trained on it. `budwood.audit` is a function, hence this name."""
