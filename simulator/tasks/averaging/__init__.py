"""What cells of averaging servers share, whatever is learned."""
