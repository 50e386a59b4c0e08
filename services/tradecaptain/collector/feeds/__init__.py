"""Feeds: recognise a vendor's file by its content and decode it to normalised messages."""
