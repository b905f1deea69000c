"""A module of the user's that takes its time to import: calls that wait for it are in the midst."""

import time

time.sleep(60)
