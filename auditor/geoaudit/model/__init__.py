"""The model room: the file, its conversion, the two engines and the certificate that they agree."""
