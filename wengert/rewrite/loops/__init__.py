"""Folding: iterations that a trace recorded one after the other become loops again."""
