"""`python -m lgbench` is `lgbench`."""

from lgbench.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
