//! Interpolating cubic spline whose end pieces follow the cubics through the outer four points.
//!
//! # Cost
//! Linear to fit, a binary search a value.
//!
//! # Source
//! Forsythe, Malcolm and Moler (1977); R's `splinefun(method = "fmm")`, which continues the end
//! cubics outside the range.

/// A fitted spline.
#[derive(Debug, Clone, PartialEq)]
pub struct CubicSpline {
    x: Vec<f64>,
    /// Value and the three coefficients of each piece.
    pieces: Vec<[f64; 4]>,
}

impl CubicSpline {
    /// Interpolates `y` at `x` (strictly ascending); `None` for fewer than four points.
    pub fn fit(x: &[f64], y: &[f64]) -> Option<Self> {
        let n = x.len();
        if n < 4 || y.len() != n || x.windows(2).any(|w| w[1] <= w[0]) {
            return None;
        }
        let d: Vec<f64> = x.windows(2).map(|w| w[1] - w[0]).collect();
        let slope: Vec<f64> = (0..n - 1).map(|i| (y[i + 1] - y[i]) / d[i]).collect();
        // Tridiagonal system for a sixth of the second derivatives.
        let (mut diagonal, mut right) = (vec![0.0; n], vec![0.0; n]);
        for i in 1..n - 1 {
            diagonal[i] = 2.0 * (d[i - 1] + d[i]);
            right[i] = slope[i] - slope[i - 1];
        }
        diagonal[0] = -d[0];
        diagonal[n - 1] = -d[n - 2];
        let third = |i: usize| {
            let second = |i: usize| (slope[i + 1] - slope[i]) / (x[i + 2] - x[i]);
            (second(i + 1) - second(i)) / (x[i + 3] - x[i])
        };
        right[0] = third(0) * d[0] * d[0];
        right[n - 1] = -third(n - 4) * d[n - 2] * d[n - 2];
        for i in 1..n {
            let factor = d[i - 1] / diagonal[i - 1];
            diagonal[i] -= factor * d[i - 1];
            right[i] -= factor * right[i - 1];
        }
        let mut c = right;
        c[n - 1] /= diagonal[n - 1];
        for i in (0..n - 1).rev() {
            c[i] = (c[i] - d[i] * c[i + 1]) / diagonal[i];
        }
        let mut pieces: Vec<[f64; 4]> = (0..n - 1)
            .map(|i| {
                [
                    y[i],
                    slope[i] - d[i] * (c[i + 1] + 2.0 * c[i]),
                    3.0 * c[i],
                    (c[i + 1] - c[i]) / d[i],
                ]
            })
            .collect();
        let last = n - 1;
        pieces.push([
            y[last],
            slope[last - 1] + d[last - 1] * (c[last - 1] + 2.0 * c[last]),
            3.0 * c[last],
            (c[last] - c[last - 1]) / d[last - 1],
        ]);
        Some(CubicSpline {
            x: x.to_vec(),
            pieces,
        })
    }

    /// Value at `x`; beyond the ends the outer cubics go on.
    pub fn value(&self, x: f64) -> f64 {
        let piece = self.x.partition_point(|&v| v <= x).max(1) - 1;
        let dx = x - self.x[piece];
        let [a, b, c, d] = self.pieces[piece];
        a + dx * (b + dx * (c + dx * d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubics_are_kept() {
        let x = [0.0, 0.7, 1.1, 2.0, 3.5, 4.0];
        let f = |x: f64| 1.0 - 2.0 * x + 0.5 * x * x + 0.3 * x * x * x;
        let y = x.map(f);
        let spline = CubicSpline::fit(&x, &y).expect("six points");
        for at in [0.0, 0.2, 0.9, 1.5, 3.0, 3.9, 4.0, 5.0] {
            assert!((spline.value(at) - f(at)).abs() < 1e-12, "{at}");
        }
        // R: splinefun(x, sin(x))(c(-1, -0.5, 0.5, 5)) with x = c(0, 1, 2.5, 3, 4.2)
        let x = [0.0, 1.0, 2.5, 3.0, 4.2];
        let spline = CubicSpline::fit(&x, &x.map(f64::sin)).expect("five points");
        for (at, want) in [
            (-1.0, -1.680_329_576_047_017),
            (-0.5, -0.732_178_018_830_939),
            (0.5, 0.522_463_371_021_159),
            (5.0, -0.928_552_348_748_093),
        ] {
            assert!((spline.value(at) - want).abs() < 1e-12, "{at}");
        }
        assert!(CubicSpline::fit(&x[..3], &y[..3]).is_none());
    }
}
