"""`python -m brimline` is `brimline`."""

from brimline.cli import main

if __name__ == "__main__":
    main()
