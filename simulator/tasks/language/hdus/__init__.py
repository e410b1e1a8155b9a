"""Language models of peers that exchange seed models: scenario, plan, costs, results and verification."""
