"""Linear models with a convex loss and a ridge penalty, trained in float64 to their optimum."""
