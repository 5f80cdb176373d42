"""Data folders for training: a corpus is fetched or made, cleaned, split, segmented into subwords and binarized."""
