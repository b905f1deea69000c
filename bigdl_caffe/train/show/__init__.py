"""What people see of a training: each of these is an observer of its events."""
