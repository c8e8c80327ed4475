"""``python -m rnsl_tutorial`` is the command ``rnsl``."""

from rnsl_tutorial.cli.main import app

app(prog_name="rnsl")
