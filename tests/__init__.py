"""Tests of Lightbox. A package, so that tests can share their oracles: ``from tests.oracles import ...``."""
