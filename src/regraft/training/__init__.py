"""One loop for every method that trains a network."""
