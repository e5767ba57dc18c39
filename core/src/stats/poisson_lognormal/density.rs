//! The noise density: a normal centre joined at three widths to tails that fall like `1 / z^2`.

/// Half the quadrature nodes: `u = 0.004 j`, `j = -REACH ..= REACH`.
pub(crate) const REACH: usize = 5000;
/// Distance of quadrature nodes.
pub(crate) const STEP: f64 = 0.004;
/// Quadrature nodes.
pub(crate) const N_NODES: usize = 2 * REACH + 1;

/// Position of quadrature node `j` (0-based).
pub(crate) fn node(j: usize) -> f64 {
    STEP * (j as f64 - REACH as f64)
}

/// The density of the noise on the log-rate.
#[derive(Debug, Clone, Copy)]
pub struct NoiseDensity {
    sigma: f64,
    centre: f64,
    tail: f64,
}

impl NoiseDensity {
    /// Where the tails begin, in units of sigma.
    const JOINT: f64 = 3.0;
    /// Value and slope are continuous at the joint for this pole.
    const POLE: f64 = 7.0 / 3.0;

    /// The density of width `sigma`.
    pub fn new(sigma: f64) -> Self {
        let root_two_pi = libm::sqrt(std::f64::consts::TAU);
        let tail = 4.0 / 9.0 * libm::exp(-4.5) / root_two_pi;
        let below_joint = 0.5 * libm::erfc(Self::JOINT / std::f64::consts::SQRT_2);
        let scale = 1.0 / (2.0 * (tail / (Self::JOINT - Self::POLE) - below_joint) + 1.0);
        NoiseDensity {
            sigma,
            centre: scale / root_two_pi,
            tail: scale * tail,
        }
    }

    /// The density at `u`.
    pub fn at(&self, u: f64) -> f64 {
        let z = (u / self.sigma).abs();
        let value = if z < Self::JOINT {
            self.centre * libm::exp(-0.5 * z * z)
        } else {
            let beyond = z - Self::POLE;
            self.tail / (beyond * beyond)
        };
        value / self.sigma
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_continuous_and_has_mass_one() {
        let h = NoiseDensity::new(0.5);
        assert!((h.at(1.5 - 1e-12) - h.at(1.5)).abs() < 1e-11);
        let slope = |u: f64| (h.at(u + 1e-7) - h.at(u - 1e-7)) / 2e-7;
        assert!((slope(1.5 - 1e-6) - slope(1.5 + 1e-6)).abs() < 1e-4);
        let mass: f64 = (0..N_NODES).map(|j| STEP * h.at(node(j))).sum();
        // The tails beyond the nodes: 2 sigma tail / (20 / sigma - pole).
        let outside = 2.0 * h.tail / (20.0 / 0.5 - NoiseDensity::POLE);
        assert!((mass + outside - 1.0).abs() < 2e-8, "{mass} {outside}");
    }
}
