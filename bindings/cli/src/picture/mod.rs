//! Pictures: a tissue whose pixels are discs coloured by cell type, or [`ma`] plots.
//!
//! The font is compiled in, so a machine without any font draws the same letters. PNG is drawn at
//! twice its size and averaged down. Coordinates are drawn as a plot (y upwards), the same scale
//! on both axes. Files are replaced atomically.
//!
//! Memory: 12 bytes a picture element of the final PNG, or the text of the SVG.

mod layout;
pub mod ma;
mod palette;

use std::path::Path;
use std::sync::Once;

use cytosol::checkpoint::AtomicFile;
use cytosol::{Error, ErrorKind, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use layout::{Frame, Legend};
pub use palette::{NO_TYPE, qualitative};

/// What one pixel shows: shares of cell types (indices into the legend), none when rejected.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mark {
    /// Legend entries and their shares; drawn as a pie when there is more than one.
    pub slices: Vec<(usize, f64)>,
}

/// One map of the tissue.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Text over the map.
    pub caption: String,
    /// A mark for each coordinate of the scene.
    pub marks: Vec<Mark>,
}

/// A picture: maps of the same pixels side by side, and one legend.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Headline.
    pub title: String,
    /// Coordinates of the pixels.
    pub coords: Vec<[f64; 2]>,
    /// Maps, from left to right.
    pub panels: Vec<Panel>,
    /// Legend: a name and how many pixels show it, in order of the legend indices; names that no
    /// pixel shows are left out of the drawing.
    pub legend: Vec<(String, u64)>,
    /// Text for pixels without a type, and how many there are.
    pub no_type: (String, u64),
}

/// PNG is drawn this many times larger and averaged down.
const OVERSAMPLING: u32 = 2;

/// Whether the name of a picture file says a kind that can be drawn.
///
/// # Errors
/// `InvalidArgument` unless the name ends in `.png` or `.svg`.
pub fn check_name(path: &Path) -> Result<()> {
    match extension(path).as_str() {
        "png" | "svg" => Ok(()),
        other => Err(Error::argument(
            "picture",
            format!(
                "{}: pictures ending in {other:?} cannot be drawn; use .png or .svg",
                path.display()
            ),
        )),
    }
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// Something that can be drawn at any scale.
pub trait Picture {
    /// Width and height, everything `factor` times as large.
    fn size(&self, factor: u32) -> (u32, u32);

    /// Paints the whole area, everything `factor` times as large.
    ///
    /// # Errors
    /// `Internal` when the backend fails.
    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: u32) -> Result<()>;
}

impl Picture for Scene {
    fn size(&self, factor: u32) -> (u32, u32) {
        Frame::of(self, factor).size
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: u32) -> Result<()> {
        paint(area, self, &Frame::of(self, factor))
    }
}

/// Draws a picture into a file that becomes `path` (`.png` or `.svg`) when it is committed.
///
/// # Errors
/// `InvalidArgument` for another ending, `Io` when the file cannot be written.
pub fn draw(picture: &impl Picture, path: &Path) -> Result<AtomicFile> {
    check_name(path)?;
    register_letters();
    let bytes = if extension(path) == "svg" {
        svg(picture)?
    } else {
        png(picture)?
    };
    let mut file = AtomicFile::create(path)?;
    file.write_all(&bytes)?;
    Ok(file)
}

fn register_letters() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, bytes) in [
            (FontStyle::Normal, notosans::REGULAR_TTF),
            (FontStyle::Bold, notosans::BOLD_TTF),
        ] {
            let registered = register_font("sans-serif", style, bytes);
            assert!(registered.is_ok(), "the bundled font is a valid font");
        }
    });
}

fn svg(picture: &impl Picture) -> Result<Vec<u8>> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, picture.size(1)).into_drawing_area();
        picture.paint(&area, 1)?;
    }
    Ok(text.into_bytes())
}

fn png(picture: &impl Picture) -> Result<Vec<u8>> {
    let (width, height) = picture.size(OVERSAMPLING);
    let mut large = vec![0_u8; 3 * width as usize * height as usize];
    {
        let size = (width, height);
        let area = BitMapBackend::with_buffer(&mut large, size).into_drawing_area();
        picture.paint(&area, OVERSAMPLING)?;
    }
    let (width, height) = (width / OVERSAMPLING, height / OVERSAMPLING);
    let small = average_down(&large, width as usize, height as usize);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&small))
        .map_err(|e| drawing_failed(&e))?;
    Ok(bytes)
}

/// Means of `OVERSAMPLING` x `OVERSAMPLING` squares of an RGB picture.
fn average_down(large: &[u8], width: usize, height: usize) -> Vec<u8> {
    let factor = OVERSAMPLING as usize;
    let mut small = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0_u32;
                for dy in 0..factor {
                    for dx in 0..factor {
                        let row = y * factor + dy;
                        let at = 3 * (row * width * factor + x * factor + dx) + channel;
                        sum += u32::from(large[at]);
                    }
                }
                small.push((sum / (OVERSAMPLING * OVERSAMPLING)) as u8);
            }
        }
    }
    small
}

fn drawing_failed(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("drawing failed: {error}"))
}

fn paint<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    scene: &Scene,
    frame: &Frame,
) -> Result<()> {
    let failed = |e: DrawingAreaErrorKind<B::ErrorType>| drawing_failed(&e);
    area.fill(&WHITE).map_err(failed)?;
    let title = font(frame.title_size, true);
    area.draw(&Text::new(scene.title.clone(), frame.title_at, title))
        .map_err(failed)?;
    let colours = qualitative(scene.legend.len());
    for (panel, &origin) in scene.panels.iter().zip(&frame.panels) {
        let caption = font(frame.caption_size, false);
        let at = (origin.0, origin.1 - frame.line(frame.caption_size));
        area.draw(&Text::new(panel.caption.clone(), at, caption))
            .map_err(failed)?;
        for (place, mark) in frame.places(&scene.coords).zip(&panel.marks) {
            let centre = (origin.0 + place.0, origin.1 + place.1);
            paint_mark(area, mark, centre, frame.radius, &colours)?;
        }
    }
    paint_legend(area, scene, &frame.legend, &colours)?;
    area.present().map_err(failed)
}

fn font(size: u32, bold: bool) -> TextStyle<'static> {
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    ("sans-serif", f64::from(size), style)
        .into_font()
        .color(&RGBColor(30, 30, 30))
}

fn ink(colour: [u8; 3]) -> ShapeStyle {
    RGBColor(colour[0], colour[1], colour[2]).filled()
}

fn paint_mark<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    mark: &Mark,
    centre: (i32, i32),
    radius: i32,
    colours: &[[u8; 3]],
) -> Result<()> {
    let failed = |e: DrawingAreaErrorKind<B::ErrorType>| drawing_failed(&e);
    let total: f64 = mark.slices.iter().map(|s| s.1).sum();
    let ground = match mark.slices.first() {
        Some(&(entry, _)) if total > 0.0 => colours[entry],
        _ => NO_TYPE,
    };
    area.draw(&Circle::new(centre, radius, ink(ground)))
        .map_err(failed)?;
    // The first slice is the disc itself; the others are laid over it, clockwise from the top.
    let mut turned = mark.slices.first().map_or(0.0, |s| s.1);
    for &(entry, share) in mark.slices.iter().skip(1) {
        let (from, to) = (turned / total, (turned + share) / total);
        turned += share;
        let slice = Polygon::new(wedge(centre, radius, from, to), ink(colours[entry]));
        area.draw(&slice).map_err(failed)?;
    }
    Ok(())
}

/// The corners of a slice of a disc, from `from` to `to` of a turn.
fn wedge(centre: (i32, i32), radius: i32, from: f64, to: f64) -> Vec<(i32, i32)> {
    let steps = (24.0 * (to - from)).ceil().max(1.0) as usize;
    let mut corners = vec![centre];
    for step in 0..=steps {
        let turn = from + (to - from) * step as f64 / steps as f64;
        let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
        let reach = f64::from(radius);
        corners.push((
            centre.0 + (reach * sin).round() as i32,
            centre.1 - (reach * cos).round() as i32,
        ));
    }
    corners
}

fn paint_legend<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    scene: &Scene,
    legend: &Legend,
    colours: &[[u8; 3]],
) -> Result<()> {
    let failed = |e: DrawingAreaErrorKind<B::ErrorType>| drawing_failed(&e);
    let grey = (&scene.no_type.0, scene.no_type.1, NO_TYPE);
    let entries = scene
        .legend
        .iter()
        .zip(colours)
        .map(|((name, count), colour)| (name, *count, *colour))
        .filter(|entry| entry.1 > 0)
        .chain((scene.no_type.1 > 0).then_some(grey));
    for ((name, count, colour), at) in entries.zip(&legend.places) {
        let centre = (
            at.0 + legend.radius,
            at.1 + legend.text_size as i32 * 3 / 10,
        );
        area.draw(&Circle::new(centre, legend.radius, ink(colour)))
            .map_err(failed)?;
        let words = format!("{} ({count})", layout::shortened(name, 28));
        let beside = (at.0 + 3 * legend.radius, at.1);
        area.draw(&Text::new(words, beside, font(legend.text_size, false)))
            .map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        Scene {
            title: "Two <pixels> & more".to_owned(),
            coords: vec![[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]],
            panels: vec![Panel {
                caption: "map".to_owned(),
                marks: vec![
                    Mark {
                        slices: vec![(0, 1.0)],
                    },
                    Mark {
                        slices: vec![(0, 0.5), (1, 0.5)],
                    },
                    Mark::default(),
                ],
            }],
            legend: vec![("A".to_owned(), 2), ("B".to_owned(), 1)],
            no_type: ("rejected".to_owned(), 1),
        }
    }

    #[test]
    fn a_png_shows_the_colours_of_its_marks() {
        let bytes = png(&{
            register_letters();
            scene()
        })
        .expect("drawn");
        let mut reader = png::Decoder::new(bytes.as_slice())
            .read_info()
            .expect("a PNG");
        let mut elements = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut elements).expect("a frame");
        for colour in [qualitative(2)[0], qualitative(2)[1], NO_TYPE] {
            let seen = elements.chunks_exact(3).filter(|e| *e == colour).count();
            assert!(seen > 50, "{colour:?} is seen {seen} times");
        }
    }

    #[test]
    fn an_svg_carries_title_and_legend_as_text() {
        register_letters();
        let text = String::from_utf8(svg(&scene()).expect("drawn")).expect("UTF-8");
        assert!(text.contains("&lt;pixels&gt;"), "text is escaped");
        for words in ["A (2)", "B (1)", "rejected (1)"] {
            assert!(text.contains(words), "{words}");
        }
    }

    #[test]
    fn other_endings_are_refused() {
        let error = draw(&scene(), Path::new("a.jpg")).expect_err("refused");
        assert!(error.message().contains("use .png or .svg"));
    }

    #[test]
    fn a_wedge_ends_on_the_circle() {
        let corners = wedge((0, 0), 100, 0.0, 0.5);
        assert_eq!(corners[1], (0, -100));
        assert_eq!(corners.last(), Some(&(0, 100)));
    }
}
