"""Tables of sensors: their clocks, their shapes, and the units that names and files state."""
