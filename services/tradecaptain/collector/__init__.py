"""The collector: vendor files and a simulator in, mirror books and market ticks out."""
