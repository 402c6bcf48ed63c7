"""Classes and methods made from a description, where the program's own are not at hand."""
