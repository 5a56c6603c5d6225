"""Sequences, subjects, bytes and times, durable. Not policies, consumers' meaning or accounts."""
