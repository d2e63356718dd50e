"""SQL that really runs: MaxCompute's dialect, translated for sqlite, with failures told in MaxCompute's words."""
