"""The commands of `coatcheck`, one file for each kind. A function is a command, and its docstring is the command's help."""
