"""Running a plan: executors, devices, progress."""
