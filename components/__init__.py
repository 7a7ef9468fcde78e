"""What pages share: pieces of screen that read plain data from ``xai_core`` and hold no state of their own."""
