"""Examines a deployment and says what is wrong with it and what to do. Only its probe of conditional writes writes anything."""
