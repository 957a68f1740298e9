"""Derivatives measured from values of the function: differences and the complex step.

A leaf: imports NumPy only, so what it says of another room's derivatives is independent of them.
Invariant: every derivative comes as an `Estimate`, with an error beside the value.
"""

from wengert.numeric.curve import StepCurve as StepCurve
from wengert.numeric.curve import step_curve as step_curve
from wengert.numeric.errors import ComplexStepError as ComplexStepError
from wengert.numeric.errors import NonFiniteError as NonFiniteError
from wengert.numeric.errors import NumericDifferentiationError as NumericDifferentiationError
from wengert.numeric.errors import StepError as StepError
from wengert.numeric.estimate import Estimate as Estimate
from wengert.numeric.first import derivative as derivative
from wengert.numeric.first import directional as directional
from wengert.numeric.first import gradient as gradient
from wengert.numeric.first import jacobian as jacobian
from wengert.numeric.second import hessian as hessian
from wengert.numeric.steps import METHODS as METHODS

__all__ = [
    "METHODS",
    "ComplexStepError",
    "Estimate",
    "NonFiniteError",
    "NumericDifferentiationError",
    "StepCurve",
    "StepError",
    "derivative",
    "directional",
    "gradient",
    "hessian",
    "jacobian",
    "step_curve",
]
