"""The code in guides, and what it says that it prints."""

import re


def blocks(text):
    """The Python blocks of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def sections(text):
    """{title: text} of the sections of a Markdown text."""
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def printed(code):
    """The lines that its comments say that it prints."""
    return re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
