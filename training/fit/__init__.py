"""How a model is fitted: networks are trained side by side in epochs, weights are solved for, trees are grown."""
