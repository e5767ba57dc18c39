//! Colours that can be told apart, for any number of cell types.
//!
//! Colours are chosen one after the other, each as far as possible (in OKLab, where distance is
//! close to what eyes see) from those before it, from white paper and from the grey of rejected
//! pixels. The first colours of a long palette are those of a short one.
//!
//! Time: n x 4,096 distances. Memory: the candidates (200 KB).
//!
//! Source: OKLab as published by Björn Ottosson (2020); the greedy choice is the usual
//! farthest-point method.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Colour of pixels without a cell type.
pub const NO_TYPE: Rgb = [205, 205, 205];

const STEPS: usize = 16;

/// `n` colours for light paper.
pub fn qualitative(n: usize) -> Vec<Rgb> {
    let candidates: Vec<(Rgb, [f64; 3])> = candidates();
    let paper = [[255, 255, 255], NO_TYPE, [0, 0, 0]].map(oklab);
    let mut nearest: Vec<f64> = candidates
        .iter()
        .map(|(_, lab)| {
            paper
                .iter()
                .map(|p| distance(p, lab))
                .fold(f64::INFINITY, f64::min)
        })
        .collect();
    let mut chosen = Vec::with_capacity(n);
    for _ in 0..n {
        let mut best = 0;
        for (index, gap) in nearest.iter().enumerate() {
            if gap.total_cmp(&nearest[best]).is_gt() {
                best = index;
            }
        }
        let (colour, lab) = candidates[best];
        chosen.push(colour);
        for (gap, (_, other)) in nearest.iter_mut().zip(&candidates) {
            *gap = gap.min(distance(&lab, other));
        }
    }
    chosen
}

/// A grid over the colour cube without the too light, too dark and too garish.
fn candidates() -> Vec<(Rgb, [f64; 3])> {
    let level = |i: usize| (i * 255 / (STEPS - 1)) as u8;
    let mut found = Vec::with_capacity(STEPS.pow(3));
    for r in 0..STEPS {
        for g in 0..STEPS {
            for b in 0..STEPS {
                let colour = [level(r), level(g), level(b)];
                let lab = oklab(colour);
                let chroma = lab[1].hypot(lab[2]);
                if (0.32..=0.88).contains(&lab[0]) && (0.05..=0.22).contains(&chroma) {
                    found.push((colour, lab));
                }
            }
        }
    }
    found
}

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    // Lightness counts a little less: patches are small and stand side by side.
    let lightness = 0.8 * (a[0] - b[0]);
    lightness.hypot((a[1] - b[1]).hypot(a[2] - b[2]))
}

fn oklab(colour: Rgb) -> [f64; 3] {
    let linear = colour.map(|value| {
        let v = f64::from(value) / 255.0;
        if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    });
    let mix = |m: [f64; 3], v: [f64; 3]| m[0] * v[0] + m[1] * v[1] + m[2] * v[2];
    let cone = [
        mix([0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9], linear).cbrt(),
        mix([0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6], linear).cbrt(),
        mix([0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5], linear).cbrt(),
    ];
    [
        mix([0.210_454_255_3, 0.793_617_785, -0.004_072_046_8], cone),
        mix([1.977_998_495_1, -2.428_592_205, 0.450_593_709_9], cone),
        mix([0.025_904_037_1, 0.782_771_766_2, -0.808_675_766], cone),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_colours_differ_visibly() {
        let colours = qualitative(60);
        for (i, a) in colours.iter().enumerate() {
            for b in &colours[i + 1..] {
                assert!(distance(&oklab(*a), &oklab(*b)) > 0.05, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_short_palette_begins_a_long_one() {
        assert_eq!(qualitative(5), qualitative(40)[..5]);
        assert!(qualitative(0).is_empty());
    }

    #[test]
    fn white_has_lightness_one_and_no_chroma() {
        let white = oklab([255, 255, 255]);
        assert!((white[0] - 1.0).abs() < 1e-6 && white[1].hypot(white[2]) < 1e-6);
    }
}
