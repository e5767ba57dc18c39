//! The tissue coloured by what RCTD found.
//!
//! Full mode shows the type with the largest weight; doublet mode one type or two (in the shares of
//! the pair fit), rejected pixels grey; multi mode all chosen types. Pixels that the filters took
//! are not drawn. Memory: the marks, about 60 bytes a pixel.

use cytosol::rctd::RctdResults;

use super::counting::count_codes;
use crate::picture::{Mark, Panel, Scene};

/// Gathers marks shard by shard.
pub struct Marks {
    marks: Vec<Mark>,
}

impl Marks {
    /// Nothing yet.
    pub fn new() -> Self {
        Marks { marks: Vec::new() }
    }

    /// Takes over the pixels of a shard.
    pub fn add(&mut self, shard: &RctdResults) {
        let dominant = shard.dominant_type();
        self.marks
            .extend((0..shard.n_pixels()).map(|at| mark(shard, at, dominant[at])));
    }

    /// The picture of the pixels added, which stand at `coords`.
    pub fn scene(self, title: String, coords: Vec<[f64; 2]>, cell_types: &[String]) -> Scene {
        let shown = self
            .marks
            .iter()
            .flat_map(|mark| mark.slices.iter().map(|slice| slice.0 as i32));
        let counts = count_codes(shown, cell_types.len());
        let rejected = self.marks.iter().filter(|m| m.slices.is_empty()).count();
        Scene {
            title,
            coords,
            panels: vec![Panel {
                caption: String::new(),
                marks: self.marks,
            }],
            legend: cell_types.iter().cloned().zip(counts).collect(),
            no_type: ("rejected".to_owned(), rejected as u64),
        }
    }
}

fn mark(shard: &RctdResults, at: usize, dominant: u32) -> Mark {
    let slices = if let Some(doublet) = &shard.doublet {
        let first = doublet.first_type[at] as usize;
        let second = doublet.second_type[at] as usize;
        match doublet.spot_class[at] {
            0 => Vec::new(),
            2 => vec![
                (first, doublet.weights[2 * at]),
                (second, doublet.weights[2 * at + 1]),
            ],
            _ => vec![(first, 1.0)],
        }
    } else if let Some(multi) = &shard.multi {
        multi
            .range(at)
            .map(|entry| (multi.cell_types[entry] as usize, multi.sub_weights[entry]))
            .collect()
    } else {
        vec![(dominant as usize, 1.0)]
    };
    Mark { slices }
}
