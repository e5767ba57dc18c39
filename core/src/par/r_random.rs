//! R's default generator of random numbers, so that draws of an R session can go on in the engine.
//!
//! Only what R 3.6 and later use by default: the Mersenne Twister (kind 3) with integers by rejection
//! (kind 1); the kind of normal numbers is kept and not looked at.
//!
//! Time: `k` draws for a sample of `k`, some 10 ns each. Memory: 4 bytes a member of the population.
//!
//! # Source
//! Matsumoto and Nishimura (1998), ACM TOMACS 8:3; R's help pages `Random` and `sample`; what
//! `sample.int` draws was compared with R 4.2.2.

use crate::error::{Error, Result};

/// Words of the generator.
const WORDS: usize = 624;
/// Distance of the words that are mixed.
const SHIFT: usize = 397;
/// Populations from here on are sampled without a list of their members when at most half is drawn.
/// R: `useHash` of `sample.int`.
const LISTED: usize = 10_000_000;

/// A generator in the state of an R session.
#[derive(Debug, Clone)]
pub struct RRandom {
    kind: i32,
    words: Box<[u32; WORDS]>,
    /// Next word to be given out; `WORDS` when all were.
    next: usize,
}

impl RRandom {
    /// The generator of R's `.Random.seed`: kind, position and 624 words. `argument` is named in errors.
    ///
    /// # Errors
    /// `InvalidArgument` for another length or kind, or a position outside 1 to 624.
    pub fn from_seed(argument: &str, seed: &[i32]) -> Result<Self> {
        let [kind, position, words @ ..] = seed else {
            return Err(wrong_length(argument, seed.len()));
        };
        if words.len() != WORDS {
            return Err(wrong_length(argument, seed.len()));
        }
        if kind % 100 != 3 || kind / 10_000 != 1 {
            return Err(Error::argument(
                argument,
                format!(
                    "kind {kind} is not the Mersenne Twister with sampling by rejection (such as 10403)"
                ),
            ));
        }
        if !(1..=WORDS as i32).contains(position) {
            return Err(Error::argument(
                argument,
                format!("position {position} must be 1 to {WORDS}"),
            ));
        }
        let mut own = Box::new([0; WORDS]);
        for (own, word) in own.iter_mut().zip(words) {
            *own = *word as u32;
        }
        Ok(RRandom {
            kind: *kind,
            words: own,
            next: *position as usize,
        })
    }

    /// `.Random.seed` of a session that goes on from here.
    pub fn seed(&self) -> Vec<i32> {
        let words = self.words.iter().map(|&word| word as i32);
        [self.kind, self.next as i32]
            .into_iter()
            .chain(words)
            .collect()
    }

    /// Makes the next 624 words.
    fn twist(&mut self) {
        let words = &mut self.words;
        for i in 0..WORDS {
            let joined = words[i] & 0x8000_0000 | words[(i + 1) % WORDS] & 0x7fff_ffff;
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            words[i] = words[(i + SHIFT) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// The next word's upper half.
    #[inline]
    fn half(&mut self) -> u64 {
        if self.next == WORDS {
            self.twist();
        }
        let mut y = self.words[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^= y >> 18;
        u64::from(y >> 16)
    }

    /// Uniform integer in `0..n`; `n` must be positive.
    #[inline]
    fn below(&mut self, n: u64) -> u64 {
        // The least number of bits that tell n values apart; R draws one half word more than they
        // need when they fill half words.
        let bits = u64::BITS - (n - 1).leading_zeros();
        let mask = (1 << bits) - 1;
        loop {
            let mut value = 0;
            for _ in 0..=bits / 16 {
                value = value << 16 | self.half();
            }
            value &= mask;
            if value < n {
                return value;
            }
        }
    }

    /// The members of `sample.int(n, k)`, ascending; `None` for all `n`. `k` is at most `n`.
    pub fn sample(&mut self, n: usize, k: usize) -> Option<Vec<usize>> {
        if k == n {
            // Which order they have is not asked; the generator goes on all the same.
            for left in (1..=n as u64).rev() {
                self.below(left);
            }
            return None;
        }
        let mut is_drawn = vec![false; n];
        if n > LISTED && k <= n / 2 {
            for _ in 0..k {
                loop {
                    let member = &mut is_drawn[self.below(n as u64) as usize];
                    if !std::mem::replace(member, true) {
                        break;
                    }
                }
            }
        } else {
            let mut left: Vec<u32> = (0..n as u32).collect();
            for _ in 0..k {
                let drawn = self.below(left.len() as u64) as usize;
                is_drawn[left.swap_remove(drawn) as usize] = true;
            }
        }
        Some((0..n).filter(|&member| is_drawn[member]).collect())
    }
}

fn wrong_length(argument: &str, n: usize) -> Error {
    Error::argument(
        argument,
        format!("{n} numbers; R's .Random.seed has {}", WORDS + 2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.Random.seed` after `set.seed(seed)`.
    fn set_seed(seed: u32) -> Vec<i32> {
        let mut state = seed;
        let mut step = || {
            state = state.wrapping_mul(69_069).wrapping_add(1);
            state as i32
        };
        // R throws the first 50 away, and the 51st, in whose place the position goes.
        let mut made: Vec<i32> = (0..51 + WORDS).map(|_| step()).skip(50).collect();
        made[0] = WORDS as i32;
        made.insert(0, 10403);
        made
    }

    #[test]
    fn draws_are_those_of_r() {
        // R 4.2.2: set.seed(5), then the samples below, then .Random.seed.
        let seed = set_seed(5);
        assert_eq!(seed[2..4], [-1_674_567_567, -1_532_971_138]);
        assert_eq!(seed[625], 599_156_224);
        let mut random = RRandom::from_seed("seed", &seed).expect("R's");
        let drawn = random.sample(40, 7);
        assert_eq!(drawn, Some(vec![1, 6, 10, 14, 18, 20, 29]));
        assert_eq!(random.sample(70_000, 3), Some(vec![36_645, 47_231, 58_187]));
        assert_eq!(random.sample(3, 3), None);
        let large = random.sample(20_000_000, 3);
        assert_eq!(large, Some(vec![7_959_001, 12_032_091, 14_381_050]));
        let most = random.sample(16, 15).expect("not all");
        assert_eq!(most, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(random.sample(1000, 1000), None);
        let after = random.seed();
        assert_eq!(after[..4], [10403, 201, -850_739_741, 804_095_457]);
        assert_eq!(after.len(), seed.len());
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        let seed = set_seed(1);
        let message = |seed: &[i32]| match RRandom::from_seed("given", seed) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(message(&seed[..625]).contains("625 numbers"));
        assert!(message(&[]).contains("0 numbers"));
        let mut wrong = seed.clone();
        wrong[0] = 403;
        assert!(message(&wrong).contains("kind 403"));
        wrong.clone_from(&seed);
        wrong[1] = 625;
        assert!(message(&wrong).contains("position 625"));
    }
}
