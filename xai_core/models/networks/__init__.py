"""Networks of other people's weights, one family a file, each registered as an architecture under its name."""
