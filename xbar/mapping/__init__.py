"""From weights to conductance targets on tiles: encoding, scaling, tiling, converter ranges, the map file."""
