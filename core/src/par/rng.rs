//! Random numbers as functions of (seed, purpose, item), so that order of use is irrelevant.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::checkpoint::Fingerprint;

/// The stream of random numbers of one item.
///
/// `purpose` keeps uses apart ("sigma_pixels", "reference_cells"); `item` is a global index.
/// Source: ChaCha8 with the seed and purpose as key and the item as stream number.
pub fn stream(seed: u64, purpose: &str, item: u64) -> Stream {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let hash = Fingerprint::default().bytes(purpose.as_bytes()).value();
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(item);
    Stream(generator)
}

/// See [`stream`].
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in the open interval (0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Uniform integer in `0..n`, without bias. `n` must be positive.
    pub fn below(&mut self, n: u64) -> u64 {
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let bits = self.bits();
            if bits < limit {
                return bits % n;
            }
        }
    }

    /// Standard normal (Box-Muller, one value a call).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// `k` different indices of `0..n` in random order (all of them when `k >= n`).
    pub fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        let k = k.min(n);
        let mut indices: Vec<usize> = (0..n).collect();
        for i in 0..k {
            let j = i + self.below((n - i) as u64) as usize;
            indices.swap(i, j);
        }
        indices.truncate(k);
        indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_item_and_repeat() {
        let base = stream(1, "a", 0).bits();
        assert_eq!(base, stream(1, "a", 0).bits());
        assert_ne!(base, stream(2, "a", 0).bits());
        assert_ne!(base, stream(1, "b", 0).bits());
        assert_ne!(base, stream(1, "a", 1).bits());
    }

    #[test]
    fn samples_are_different_indices() {
        let mut sample = stream(7, "s", 0).sample(100, 30);
        assert_eq!(sample.len(), 30);
        sample.sort_unstable();
        sample.dedup();
        assert_eq!(sample.len(), 30);
        assert_eq!(stream(7, "s", 0).sample(3, 9).len(), 3);
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut numbers = stream(3, "n", 0);
        let draws: Vec<f64> = (0..20_000).map(|_| numbers.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05);
    }
}
