//! Where the parts of a picture go; sizes in picture elements.

use super::Scene;

/// Width of one map and least height of the picture, before oversampling.
const PANEL: u32 = 760;
const MARGIN: u32 = 28;
const TITLE: u32 = 26;
const CAPTION: u32 = 18;
const LEGEND_TEXT: u32 = 17;
const LEGEND_COLUMN: u32 = 250;

/// Places of everything.
#[derive(Debug)]
pub struct Frame {
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// Height of the letters of the title.
    pub title_size: u32,
    /// Where the title begins.
    pub title_at: (i32, i32),
    /// Height of the letters of a caption.
    pub caption_size: u32,
    /// Upper left corner of each map.
    pub panels: Vec<(i32, i32)>,
    /// Radius of a pixel's disc.
    pub radius: i32,
    /// The legend.
    pub legend: Legend,
    scale: f64,
    low: [f64; 2],
    inset: [f64; 2],
    map_height: f64,
}

/// Places of the legend's entries.
#[derive(Debug)]
pub struct Legend {
    /// Upper left corner of each entry.
    pub places: Vec<(i32, i32)>,
    /// Radius of the colour discs.
    pub radius: i32,
    /// Height of the letters.
    pub text_size: u32,
}

impl Frame {
    /// The frame of a scene, everything `factor` times as large.
    pub fn of(scene: &Scene, factor: u32) -> Self {
        let (low, high) = bounds(&scene.coords);
        let span = [
            (high[0] - low[0]).max(f64::MIN_POSITIVE),
            (high[1] - low[1]).max(f64::MIN_POSITIVE),
        ];
        let width = f64::from(PANEL * factor);
        let height = (width * span[1] / span[0]).clamp(0.35 * width, 1.2 * width);
        let gap = typical_gap(&scene.coords, span);
        let scale = (width / (span[0] + gap)).min(height / (span[1] + gap));
        let radius = (0.48 * gap * scale).clamp(1.0, f64::from(24 * factor));
        let inset = [
            (width - span[0] * scale) / 2.0,
            (height - span[1] * scale) / 2.0,
        ];
        // Wide maps stand on top of each other, others side by side.
        let n_panels = scene.panels.len().max(1) as u32;
        let (across, down) = if height < 0.6 * width {
            (1, n_panels)
        } else {
            (n_panels, 1)
        };
        let step = (
            PANEL + MARGIN,
            height as u32 / factor + MARGIN + 2 * CAPTION,
        );
        let top = MARGIN + 2 * TITLE + CAPTION;
        let panels = (0..n_panels)
            .map(|i| {
                let x = MARGIN + (i % across) * step.0;
                let y = top + CAPTION + (i / across) * step.1;
                ((x * factor) as i32, (y * factor) as i32)
            })
            .collect();
        let legend_at = MARGIN + across * step.0;
        let below = top + down * step.1;
        let shown = scene.legend.iter().chain([&scene.no_type]);
        let entries = shown.filter(|entry| entry.1 > 0).count();
        let (legend, columns) = Legend::of(entries, (legend_at, top), below, factor);
        let right = legend_at + columns * LEGEND_COLUMN + MARGIN;
        Frame {
            size: (right * factor, below * factor),
            title_size: TITLE * factor,
            title_at: ((MARGIN * factor) as i32, (MARGIN * factor) as i32),
            caption_size: CAPTION * factor,
            panels,
            radius: radius.round() as i32,
            legend,
            scale,
            low,
            inset,
            map_height: height,
        }
    }

    /// Height of a line of letters of this size.
    pub fn line(&self, size: u32) -> i32 {
        (f64::from(size) * 1.6) as i32
    }

    /// Centres of the pixels within a map, y upwards.
    pub fn places<'a>(
        &'a self,
        coords: &'a [[f64; 2]],
    ) -> impl Iterator<Item = (i32, i32)> + use<'a> {
        coords.iter().map(|c| {
            let x = self.inset[0] + (c[0] - self.low[0]) * self.scale;
            let y = self.map_height - self.inset[1] - (c[1] - self.low[1]) * self.scale;
            (x.round() as i32, y.round() as i32)
        })
    }
}

impl Legend {
    /// As many columns as the height asks for; gives their number too.
    fn of(entries: usize, at: (u32, u32), below: u32, factor: u32) -> (Self, u32) {
        let line = LEGEND_TEXT * factor * 3 / 2;
        let top = at.1 * factor;
        let rows = (((below * factor).saturating_sub(top) / line) as usize).max(1);
        let places = (0..entries)
            .map(|entry| {
                let column = (entry / rows) as u32;
                let x = (at.0 + column * LEGEND_COLUMN) * factor;
                let y = top + (entry % rows) as u32 * line;
                (x as i32, y as i32)
            })
            .collect();
        let legend = Legend {
            places,
            radius: (LEGEND_TEXT * factor / 2) as i32,
            text_size: LEGEND_TEXT * factor,
        };
        (legend, entries.div_ceil(rows).max(1) as u32)
    }
}

/// Lowest and highest finite coordinates; a unit square without any.
fn bounds(coords: &[[f64; 2]]) -> ([f64; 2], [f64; 2]) {
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for coord in coords {
        for axis in 0..2 {
            if coord[axis].is_finite() {
                low[axis] = low[axis].min(coord[axis]);
                high[axis] = high[axis].max(coord[axis]);
            }
        }
    }
    for axis in 0..2 {
        if low[axis] > high[axis] {
            (low[axis], high[axis]) = (0.0, 1.0);
        }
    }
    (low, high)
}

/// Median distance to the nearest neighbour, from up to 256 pixels.
fn typical_gap(coords: &[[f64; 2]], span: [f64; 2]) -> f64 {
    let least = span[0].max(span[1]) / 400.0;
    let step = coords.len().div_ceil(256).max(1);
    let mut gaps: Vec<f64> = coords
        .iter()
        .step_by(step)
        .map(|a| {
            let others = coords.iter().map(|b| (a[0] - b[0]).hypot(a[1] - b[1]));
            others.filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min)
        })
        .filter(|gap| gap.is_finite())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or(span[0]);
    median.clamp(least, span[0].max(span[1]))
}

/// At most `limit` characters of a name, with an ellipsis when there were more.
pub fn shortened(name: &str, limit: usize) -> String {
    if name.chars().count() <= limit {
        return name.to_owned();
    }
    let kept: String = name.chars().take(limit - 1).collect();
    format!("{kept}\u{2026}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Panel;

    fn scene(n: usize) -> Scene {
        Scene {
            title: String::new(),
            coords: (0..n).map(|i| [i as f64, (i % 7) as f64]).collect(),
            panels: vec![Panel {
                caption: String::new(),
                marks: vec![Default::default(); n],
            }],
            legend: (0..60).map(|i| (format!("type {i}"), 1)).collect(),
            no_type: ("rejected".to_owned(), 0),
        }
    }

    #[test]
    fn every_pixel_and_legend_entry_is_inside() {
        for n in [0, 1, 2, 500] {
            let scene = scene(n);
            let frame = Frame::of(&scene, 1);
            let (width, height) = (frame.size.0 as i32, frame.size.1 as i32);
            for place in frame.places(&scene.coords) {
                let at = (frame.panels[0].0 + place.0, frame.panels[0].1 + place.1);
                assert!(at.0 >= 0 && at.0 < width && at.1 >= 0 && at.1 < height);
            }
            assert_eq!(frame.legend.places.len(), 60);
            for at in &frame.legend.places {
                assert!(
                    at.0 < width && at.1 < height,
                    "{at:?} of {width} x {height}"
                );
            }
        }
    }

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(shortened("short", 9), "short");
        assert_eq!(shortened("a longer name", 9), "a longer\u{2026}");
    }
}
