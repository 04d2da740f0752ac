"""What a run computes and where: YAML files read into typed, frozen values; unknown keys are refused."""
