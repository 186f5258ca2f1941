"""Forecasts of a house's appliances beside baselines and neuralforecast, on the same origins."""
