"""What everything may import: pure, without I/O, environment, clock or randomness."""

VERSION = "0.1.0"  # of the package, as pyproject.toml has it: an image holds no package metadata
