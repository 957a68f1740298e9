"""All program tables in one list, with the theme of each row.

Imports the theme files and nothing else.
"""

from __future__ import annotations

from . import (
    array_algorithms,
    complex_numbers,
    early_bound,
    kinks,
    making_arrays,
    models_physics,
    models_statistics,
    plain_python,
    python_objects,
    views,
    writing_arrays,
)
from .harness import Program

THEMES: dict[str, list[Program]] = {
    "making": making_arrays.PROGRAMS,
    "writing": writing_arrays.PROGRAMS,
    "views": views.PROGRAMS,
    "algorithms": array_algorithms.PROGRAMS,
    "python": plain_python.PROGRAMS,
    "objects": python_objects.PROGRAMS,
    "bindings": early_bound.PROGRAMS,
    "statistics": models_statistics.PROGRAMS,
    "physics": models_physics.PROGRAMS,
    "complex": complex_numbers.PROGRAMS,
    "kinks": kinks.PROGRAMS,
}
PROGRAMS: list[Program] = [program for rows in THEMES.values() for program in rows]
