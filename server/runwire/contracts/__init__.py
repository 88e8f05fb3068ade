"""Every seam of the house as a Protocol, one seam a file. Floor 3: imports the floors below, names no driver."""
