"""The compact file: header, encodings, reading and writing (see FORMAT.md)."""
