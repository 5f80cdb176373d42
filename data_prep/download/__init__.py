"""Files from elsewhere: fetched, verified, unpacked, and never fetched twice."""
