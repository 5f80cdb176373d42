"""Tables of a report, as values that become Markdown and HTML."""
