"""What strategies, actors and notebooks say to each other."""
