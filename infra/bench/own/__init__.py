"""The function, and the parts of it that its figures are compared with, each as a process that takes turns."""
