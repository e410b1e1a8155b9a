"""What every server of denoisers releases: policies that fold what peers cut, attacks on it, and its defences."""
