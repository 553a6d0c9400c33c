# Fault tests: kills, crash points, failing calls.
