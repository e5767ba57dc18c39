//! Multi mode: types are added one by one while each makes the fit better by enough.
//!
//! Time: one fit over all types, then one small fit a candidate and round.
//! Source: spacexr 2.2.1, `process_bead_multi`; rctd-py 0.4.0 for pixels without a candidate.

use super::fitter::{CANDIDATE_CUT, PixelFitter};
use super::results::{PixelColumns, arg_max};

/// Score that any first type beats. spacexr: 1e10.
const NO_SCORE: f64 = 1e10;

impl PixelFitter<'_> {
    /// Fits the current pixel in multi mode and appends it to `out`.
    pub(crate) fn fit_multi(&mut self, out: &mut PixelColumns) {
        let weights = self.fit_all(out);
        let mut remaining: Vec<u32> = (0..weights.len() as u32)
            .filter(|&t| weights[t as usize] > CANDIDATE_CUT)
            .collect();
        let fallback = remaining.is_empty();
        if fallback {
            remaining.push(arg_max(&weights));
        }
        let (chosen, score) = self.choose_types(&mut remaining);
        let confident: Vec<bool> = (0..chosen.len())
            .map(|position| self.is_confident(&chosen, position, &remaining, score))
            .collect();
        let mut sub_weights = vec![0.0; chosen.len()];
        let converged = self.fit_types(&chosen, &mut sub_weights);
        let Some(columns) = &mut out.multi else {
            return;
        };
        columns.cell_types.extend(chosen);
        columns.confident.extend(confident);
        columns.sub_weights.extend(sub_weights);
        columns.offsets.push(columns.cell_types.len() as u64);
        columns.min_score.push(score);
        columns.converged.push(converged);
        columns.fallback.push(fallback);
    }

    /// Moves types from `remaining` to the chosen ones while that pays; gives them and the score.
    fn choose_types(&mut self, remaining: &mut Vec<u32>) -> (Vec<u32>, f64) {
        let mut chosen: Vec<u32> = Vec::new();
        let mut current = NO_SCORE;
        for _ in 0..self.options.max_multi_types {
            let mut best = current;
            let mut best_position = None;
            for (position, &candidate) in remaining.iter().enumerate() {
                chosen.push(candidate);
                let score = self.score(&chosen);
                chosen.pop();
                if score < best {
                    (best, best_position) = (score, Some(position));
                }
            }
            let Some(position) = best_position else {
                break;
            };
            if best > current - self.options.doublet_threshold {
                break;
            }
            chosen.push(remaining.remove(position));
            current = best;
        }
        (chosen, current)
    }

    /// Whether no remaining type does nearly as well in the place of a chosen one.
    fn is_confident(
        &mut self,
        chosen: &[u32],
        position: usize,
        remaining: &[u32],
        score: f64,
    ) -> bool {
        let mut others: Vec<u32> = chosen.to_vec();
        others.remove(position);
        let below = score + self.options.confidence_threshold;
        !remaining.iter().any(|&candidate| {
            others.push(candidate);
            let replaced = self.score(&others);
            others.pop();
            replaced < below
        })
    }
}
