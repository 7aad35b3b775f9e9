"""The pages of the project, and the tables in them."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def text_of(name):
    """The text of a page of docs/, by its name without the ending."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def table(text, heading):
    """The rows of the table whose first heading is `heading`, as lists of cells."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows
