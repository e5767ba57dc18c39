//! MA plots: mean of normalised counts (log axis) against log2 fold change.
//!
//! Genes below the level of significance are blue, others grey; what lies beyond the vertical range
//! is drawn as a triangle at its edge. Memory: 24 bytes a gene.

use cytosol::data::{Column, Table};
use cytosol::{Error, ErrorKind, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Picture, drawing_failed, font};

const WIDTH: u32 = 860;
const HEIGHT: u32 = 620;
const CALLED: RGBColor = RGBColor(31, 90, 180);
const OTHER: RGBColor = RGBColor(160, 160, 160);

/// An MA plot.
#[derive(Debug, Clone)]
pub struct MaPlot {
    title: String,
    /// Mean, log2 fold change, whether the gene is called.
    points: Vec<(f64, f64, bool)>,
    /// Largest mean, and smallest.
    means: (f64, f64),
    /// The vertical axis goes from minus this to this.
    reach: f64,
}

impl MaPlot {
    /// A plot of the columns `mean`, `lfc`, `isDE`.
    ///
    /// # Errors
    /// `InvalidData` when no gene has counts; there is nothing to draw then.
    pub fn of(title: String, data: &Table) -> Result<Self> {
        let numbers = |name: &str| data.column(name).and_then(Column::as_numbers);
        let called = match data.column("isDE") {
            Some(Column::Bool(called)) => Some(called),
            _ => None,
        };
        let (Some(mean), Some(lfc), Some(called)) = (numbers("mean"), numbers("lfc"), called)
        else {
            return Err(Error::new(ErrorKind::Internal, "an MA plot lacks a column"));
        };
        let mut points: Vec<(f64, f64, bool)> = mean
            .into_iter()
            .zip(lfc)
            .zip(called)
            .map(|((mean, lfc), &called)| (mean, lfc, called))
            .filter(|p| p.0 > 0.0 && p.1.is_finite())
            .collect();
        // Called genes lie on top.
        points.sort_by_key(|p| p.2);
        let low = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|p| p.0).fold(0.0, f64::max);
        if points.is_empty() {
            return Err(Error::data(
                "no gene has counts; there is no MA plot to draw",
            ));
        }
        Ok(MaPlot {
            title,
            reach: reach(&points),
            points,
            means: (low, high),
        })
    }
}

/// 1.1 times the 99 % quantile of the absolute effects, as the usual plot chooses it.
fn reach(points: &[(f64, f64, bool)]) -> f64 {
    let mut effects: Vec<f64> = points.iter().map(|p| p.1.abs()).collect();
    effects.sort_by(f64::total_cmp);
    let at = (0.99 * (effects.len() - 1) as f64).ceil() as usize;
    (1.1 * effects[at]).max(0.1)
}

impl Picture for MaPlot {
    fn size(&self, factor: u32) -> (u32, u32) {
        (WIDTH * factor, HEIGHT * factor)
    }

    fn paint<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, factor: u32) -> Result<()> {
        let failed = |e: DrawingAreaErrorKind<B::ErrorType>| drawing_failed(&e);
        area.fill(&WHITE).map_err(failed)?;
        let (low, high) = self.means;
        let mut chart = ChartBuilder::on(area)
            .margin(16 * factor)
            .caption(&self.title, font(17 * factor, true))
            .x_label_area_size(48 * factor)
            .y_label_area_size(62 * factor)
            .build_cartesian_2d((low / 1.5..high * 1.5).log_scale(), -self.reach..self.reach)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("mean of normalized counts")
            .y_desc("log2 fold change")
            .x_labels(8)
            .x_label_formatter(&|mean: &f64| format!("{mean}"))
            .axis_desc_style(font(16 * factor, false))
            .label_style(font(14 * factor, false))
            .draw()
            .map_err(failed)?;
        let size = 2 * factor as i32;
        let ink = |called: bool| if called { CALLED } else { OTHER }.filled();
        let inside = |p: &&(f64, f64, bool)| p.1.abs() <= self.reach;
        chart
            .draw_series(
                self.points
                    .iter()
                    .filter(inside)
                    .map(|p| Circle::new((p.0, p.1), size, ink(p.2))),
            )
            .map_err(failed)?;
        chart
            .draw_series(self.points.iter().filter(|p| !inside(p)).map(|p| {
                // A negative size turns the triangle over.
                let (edge, size) = (
                    self.reach.copysign(p.1),
                    if p.1 > 0.0 { size } else { -size },
                );
                TriangleMarker::new((p.0, edge), 2 * size, ink(p.2))
            }))
            .map_err(failed)?;
        let line = [(low / 1.5, 0.0), (high * 1.5, 0.0)];
        let grey = RGBColor(60, 60, 60).stroke_width(2 * factor);
        chart
            .draw_series(std::iter::once(PathElement::new(line.to_vec(), grey)))
            .map_err(failed)?;
        area.present().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(mean: Vec<f64>, lfc: Vec<f64>, called: Vec<bool>) -> Table {
        let mut table = Table::new((0..mean.len()).map(|i| i.to_string()).collect());
        table.set("mean", Column::F64(mean)).expect("fits");
        table.set("lfc", Column::F64(lfc)).expect("fits");
        table.set("isDE", Column::Bool(called)).expect("fits");
        table
    }

    #[test]
    fn called_genes_are_blue_and_on_top() {
        let means: Vec<f64> = (1..=200).map(f64::from).collect();
        let lfc: Vec<f64> = (0..200).map(|i| f64::from(i % 7) - 3.0).collect();
        let called: Vec<bool> = (0..200).map(|i| i % 7 == 6).collect();
        let plot = MaPlot::of("title & more".to_owned(), &data(means, lfc, called)).expect("drawn");
        assert!(plot.points.last().is_some_and(|p| p.2));
        super::super::register_letters();
        let text = super::super::svg(&plot).expect("drawn");
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.contains("title &amp; more"), "the title is escaped");
        assert_eq!(
            text.matches("#1F5AB4").count(),
            28,
            "one mark a called gene"
        );
        let bytes = super::super::png(&plot).expect("drawn");
        assert_eq!(&bytes[1..4], b"PNG");
    }

    #[test]
    fn without_counts_there_is_no_plot() {
        assert!(MaPlot::of(String::new(), &data(vec![], vec![], vec![])).is_err());
    }
}
