"""Makes artifacts of trained networks: converts, quantises, calibrates, measures and describes them."""
