"""What text is: encodings, languages, normalisation, subwords, dictionaries, BLEU."""
