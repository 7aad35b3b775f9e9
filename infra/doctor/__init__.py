"""Examines a deployment and says what is wrong with it and what to do. Nothing here changes anything: every call reads."""
