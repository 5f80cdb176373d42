"""Programs with processes of their own; ``--user-dir`` imports what lies beside this folder, and nothing in it."""
