"""How any model is fitted: networks trained side by side, in steps and epochs; weights solved for; trees grown."""
