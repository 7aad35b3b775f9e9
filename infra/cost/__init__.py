"""Says what images cost on AWS: counted calls of each route to the function, measured times, and prices that users edit."""
