//! Doublet mode: does a pixel hold one type or two, and which?
//!
//! All pairs of the types with noticeable weight are scored; a type is certain when no pair
//! without it scores nearly as well as the best pair. [`decide`] is that rule, apart from any fit.
//!
//! Time: one fit over all types, then one two-type fit a pair of candidates. Memory: the pairs'
//! scores.
//! Source: spacexr 2.2.1, `process_bead_doublet`.

use super::fitter::{CANDIDATE_CUT, PixelFitter};
use super::results::PixelColumns;

/// Everything the decision depends on.
pub(crate) struct Scores<'a> {
    /// Candidate types.
    pub(crate) candidates: &'a [u32],
    /// Score of each alone.
    pub(crate) singlets: &'a [f64],
    /// Scores of pairs, packed upper triangle in candidate order.
    pub(crate) pairs: &'a [f64],
    /// Class of every type.
    pub(crate) classes: &'a [u32],
}

/// Outcome for a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decision {
    pub(crate) spot_class: u8,
    pub(crate) first_type: u32,
    pub(crate) second_type: u32,
    pub(crate) first_class: bool,
    pub(crate) second_class: bool,
    pub(crate) min_score: f64,
    pub(crate) singlet_score: f64,
}

const REJECT: u8 = 0;
const SINGLET: u8 = 1;
const DOUBLET_CERTAIN: u8 = 2;
const DOUBLET_UNCERTAIN: u8 = 3;

/// Whether a type is in every pair that fits nearly as well as the best.
struct Presence {
    in_all_pairs: bool,
    class_in_all_pairs: bool,
    singlet_score: f64,
}

impl Scores<'_> {
    /// Pairs in lexicographic order: positions of both candidates, and the score.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let n = self.candidates.len();
        (0..n)
            .flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
            .zip(self.pairs)
            .map(|((i, j), &score)| (i, j, score))
    }

    fn class(&self, candidate: usize) -> u32 {
        self.classes[self.candidates[candidate] as usize]
    }

    fn presence(&self, candidate: usize, below: f64) -> Presence {
        let class = self.class(candidate);
        let (mut in_all, mut class_in_all) = (true, true);
        let mut of_class = vec![candidate];
        for (i, j, score) in self.pairs() {
            if score >= below {
                continue;
            }
            in_all &= i == candidate || j == candidate;
            class_in_all &= self.class(i) == class || self.class(j) == class;
            for member in [i, j] {
                if self.class(member) == class && !of_class.contains(&member) {
                    of_class.push(member);
                }
            }
        }
        let singlet_score = if class_in_all && !in_all && of_class.len() > 1 {
            of_class
                .iter()
                .map(|&member| self.singlets[member])
                .fold(f64::INFINITY, f64::min)
        } else {
            self.singlets[candidate]
        };
        Presence {
            in_all_pairs: in_all,
            class_in_all_pairs: class_in_all,
            singlet_score,
        }
    }
}

/// Classifies a pixel from the scores of its candidates (at least two).
pub(crate) fn decide(
    scores: &Scores<'_>,
    confidence_threshold: f64,
    doublet_threshold: f64,
) -> Decision {
    let (mut first, mut second, mut min_score) = (0, 1, f64::INFINITY);
    for (i, j, score) in scores.pairs() {
        if score < min_score {
            (first, second, min_score) = (i, j, score);
        }
    }
    let below = min_score + confidence_threshold;
    let a = scores.presence(first, below);
    let b = scores.presence(second, below);
    let (mut first_class, mut second_class) = (!a.in_all_pairs, !b.in_all_pairs);
    let (mut spot_class, singlet_score);
    match (a.class_in_all_pairs, b.class_in_all_pairs) {
        (false, false) => {
            spot_class = REJECT;
            singlet_score = min_score + 2.0 * doublet_threshold;
            (first_class, second_class) = (false, false);
        }
        (true, false) => {
            spot_class = DOUBLET_UNCERTAIN;
            singlet_score = a.singlet_score;
            second_class = false;
        }
        (false, true) => {
            spot_class = DOUBLET_UNCERTAIN;
            singlet_score = b.singlet_score;
            std::mem::swap(&mut first, &mut second);
            (first_class, second_class) = (!b.in_all_pairs, false);
        }
        (true, true) => {
            spot_class = DOUBLET_CERTAIN;
            singlet_score = a.singlet_score.min(b.singlet_score);
            if b.singlet_score < a.singlet_score {
                std::mem::swap(&mut first, &mut second);
                std::mem::swap(&mut first_class, &mut second_class);
            }
        }
    }
    if singlet_score - min_score < doublet_threshold {
        spot_class = SINGLET;
    }
    Decision {
        spot_class,
        first_type: scores.candidates[first],
        second_type: scores.candidates[second],
        first_class,
        second_class,
        min_score,
        singlet_score,
    }
}

/// Types above the cut, made up to at least two; a type added to a lone one comes after it.
fn candidates(weights: &[f64]) -> Vec<u32> {
    let mut chosen: Vec<u32> = (0..weights.len() as u32)
        .filter(|&t| weights[t as usize] > CANDIDATE_CUT)
        .collect();
    match chosen[..] {
        [] => chosen.extend(0..weights.len().min(3) as u32),
        [0] => chosen.push(1),
        [_] => chosen.push(0),
        _ => {}
    }
    chosen
}

impl PixelFitter<'_> {
    /// Fits the current pixel in doublet mode and appends it to `out`.
    pub(crate) fn fit_doublet(&mut self, out: &mut PixelColumns) {
        let weights = self.fit_all(out);
        let candidates = candidates(&weights);
        let singlets: Vec<f64> = candidates.iter().map(|&t| self.score(&[t])).collect();
        let mut pairs = Vec::with_capacity(candidates.len() * (candidates.len() - 1) / 2);
        for (i, &a) in candidates.iter().enumerate() {
            for &b in &candidates[i + 1..] {
                pairs.push(self.score(&[a, b]));
            }
        }
        let scores = Scores {
            candidates: &candidates,
            singlets: &singlets,
            pairs: &pairs,
            classes: self.classes,
        };
        let decision = decide(
            &scores,
            self.options.confidence_threshold,
            self.options.doublet_threshold,
        );
        let mut pair_weights = [0.0; 2];
        let types = [decision.first_type, decision.second_type];
        let converged = self.fit_types(&types, &mut pair_weights);
        let Some(columns) = &mut out.doublet else {
            return;
        };
        columns.spot_class.push(decision.spot_class);
        columns.first_type.push(decision.first_type);
        columns.second_type.push(decision.second_type);
        columns.first_class.push(decision.first_class);
        columns.second_class.push(decision.second_class);
        columns.min_score.push(decision.min_score);
        columns.singlet_score.push(decision.singlet_score);
        columns.converged.push(converged);
        columns.weights.extend(pair_weights);
        if let Some(kept) = &mut columns.scores {
            kept.candidates.extend(&candidates);
            kept.singlet_scores.extend(&singlets);
            kept.offsets.push(kept.candidates.len() as u64);
            kept.pair_scores.extend(&pairs);
            kept.pair_offsets.push(kept.pair_scores.len() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(singlets: &[f64], pairs: &[f64], classes: &[u32]) -> Decision {
        let candidates: Vec<u32> = (0..singlets.len() as u32).collect();
        let scores = Scores {
            candidates: &candidates,
            singlets,
            pairs,
            classes,
        };
        decide(&scores, 5.0, 20.0)
    }

    #[test]
    fn one_type_explains_the_pixel() {
        // Every good pair holds type 0, whose score alone is as good as the best pair.
        let d = run(&[101.0, 300.0, 300.0], &[100.0, 100.5, 250.0], &[0, 1, 2]);
        assert_eq!((d.spot_class, d.first_type, d.second_type), (SINGLET, 0, 1));
        assert_eq!(d.singlet_score, 101.0);
    }

    #[test]
    fn two_types_are_certain_and_ordered_by_their_own_score() {
        let d = run(&[200.0, 150.0, 400.0], &[100.0, 160.0, 150.0], &[0, 1, 2]);
        assert_eq!(
            (d.spot_class, d.first_type, d.second_type),
            (DOUBLET_CERTAIN, 1, 0)
        );
        assert_eq!(d.singlet_score, 150.0);
    }

    #[test]
    fn an_uncertain_partner_puts_the_certain_type_first() {
        // Pairs (0,2) and (1,2) are equally good: only type 2 is in all of them.
        let d = run(&[300.0, 300.0, 200.0], &[400.0, 100.0, 101.0], &[0, 1, 2]);
        assert_eq!(
            (d.spot_class, d.first_type, d.second_type),
            (DOUBLET_UNCERTAIN, 2, 0)
        );
        assert!(!d.first_class && !d.second_class);
    }

    #[test]
    fn nothing_in_common_is_rejected() {
        let four = [300.0; 4];
        // (0,1) and (2,3) equally good.
        let d = run(
            &four,
            &[100.0, 300.0, 300.0, 300.0, 300.0, 100.0],
            &[0, 1, 2, 3],
        );
        assert_eq!(d.spot_class, REJECT);
        assert_eq!(d.singlet_score, 140.0);
    }

    #[test]
    fn classes_make_a_type_certain_as_a_class() {
        // As in the uncertain case, but 0 and 1 are of one class.
        let d = run(&[180.0, 170.0, 200.0], &[400.0, 100.0, 101.0], &[7, 7, 2]);
        assert_eq!(d.spot_class, DOUBLET_CERTAIN);
        assert_eq!((d.first_type, d.first_class), (0, true));
        assert_eq!((d.second_type, d.second_class), (2, false));
        assert_eq!(d.singlet_score, 170.0);
    }

    #[test]
    fn ties_go_to_the_first_pair() {
        let d = run(&[101.0, 300.0, 300.0], &[100.0, 100.0, 250.0], &[0, 1, 2]);
        assert_eq!((d.first_type, d.second_type), (0, 1));
    }

    #[test]
    fn there_are_always_two_candidates() {
        assert_eq!(candidates(&[0.0, 0.5, 0.0]), [1, 0]);
        assert_eq!(candidates(&[0.5, 0.0, 0.0]), [0, 1]);
        assert_eq!(candidates(&[0.0, 0.0, 0.0, 0.0]), [0, 1, 2]);
        assert_eq!(candidates(&[0.0, 0.0]), [0, 1]);
        assert_eq!(candidates(&[0.2, 0.0, 0.3]), [0, 2]);
    }
}
