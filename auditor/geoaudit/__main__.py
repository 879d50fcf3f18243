"""`python -m geoaudit` is the console script."""

from geoaudit.cli import main

main()
