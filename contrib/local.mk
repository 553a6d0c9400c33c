# Scripts and samples around the house.
