"""Polynomials of the Box-Muller transform, shared by the array form and the compiled kernel of the normals.

Chebyshev fits in float32: log(1+t) = t - t^2/2 + t^3 P(t) for |t| < .4143; sin(pi/2 t) = t S(t^2) and
cos(pi/2 t) = C(t^2) for |t| <= 1/2. Largest error of a normal: 1.6e-5, at radius near 0.
"""

LOGARITHM = (0.33333331, -0.25000307, 0.20001048, -0.16641247, 0.14214356, -0.12998490, 0.12623739, -0.07903644)
"""P, from the lowest power."""
SINE = (1.5707963705, -0.6459640861, 0.0796925798, -0.0046812664, 0.00015820628)
"""S, from the lowest power."""
COSINE = (1.0, -1.2337005138, 0.2536692023, -0.0208600704, 0.00090362807)
"""C, from the lowest power."""
ROOT_HALF = 0.70710676908493042
"""sqrt(1/2) in float32, bits 0x3F3504F3: mantissas are reduced to [ROOT_HALF, 2 ROOT_HALF)."""
LOG_2 = 0.6931471806
