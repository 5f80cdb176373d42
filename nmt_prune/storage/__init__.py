"""Small files: a translation model in one file, each matrix in its smallest lossless form."""
