"""The rooms behind `compare` and `diagnose`: matching values, walking samples, experiments, causes, repairs."""
