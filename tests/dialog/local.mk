# Dialog tests: conversations as plain text, played against the programs.
