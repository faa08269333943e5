"""README makes the statement that the accountant can stand for, to the letter."""

from pathlib import Path

from tacita.privacy.statement import users_statement


def test_the_readme_states_the_exact_guarantee() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    quoted = " ".join(line.removeprefix("> ") for line in text.splitlines() if line.startswith("> "))

    assert quoted == users_statement()
