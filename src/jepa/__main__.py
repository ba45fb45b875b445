"""python -m jepa"""

from jepa.cli import main

main()
