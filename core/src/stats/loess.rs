//! Local quadratic regression on one predictor, interpolated between the vertices of a k-d tree.
//!
//! Fits only where the tree has a vertex; between two vertices the cubic through both values and
//! slopes. Gaussian errors, no robustness iterations, no confidence bands.
//!
//! # Cost
//! O(m log m) to sort, then one weighted fit of `span * m` points for each of some 10 to 40 vertices.
//! Memory: three vectors of m numbers.
//!
//! # Source
//! Cleveland and Grosse's `dloess` (netlib) as it behaves in scikit-misc 0.5.3: tree, margins and
//! tolerance of the pseudo-inverse. R's `loess` gives the same smooth of points without ties.

use crate::error::{Error, Result};

/// Share of the span below which a cell of the tree is not cut. dloess: cell.
const CELL: f64 = 0.2;
/// Margin around the range of x. dloess: 0.5 %.
const MARGIN: f64 = 0.005;
/// Singular values below this share of the largest are dropped, in units of the rounding error.
const TOLERANCE: f64 = 100.0 * f64::EPSILON;

/// A vertex of the tree: place, value and slope.
#[derive(Debug, Clone, Copy)]
struct Vertex {
    x: f64,
    value: f64,
    slope: f64,
}

/// The fitted values of `y` over `x`, degree 2.
///
/// `span` is the share of the points that each local fit uses.
///
/// # Errors
/// `InvalidData` for fewer than four points, values that are not finite, or a span so small that
/// neighbourhoods have no width.
///
/// ```
/// let x: Vec<f64> = (0..50).map(f64::from).collect();
/// let y: Vec<f64> = x.iter().map(|v| 1.0 + v * v).collect();
/// let fit = cytosol::stats::loess::loess(&x, &y, 0.3)?;
/// assert!((fit[20] - y[20]).abs() < 1e-9);
/// # Ok::<(), cytosol::Error>(())
/// ```
pub fn loess(x: &[f64], y: &[f64], span: f64) -> Result<Vec<f64>> {
    let fit = Loess::fit(x, y, span)?;
    Ok(x.iter().map(|&x| fit.value(x)).collect())
}

/// A smooth of degree 2 that can be evaluated anywhere in the range of its points.
#[derive(Debug, Clone)]
pub struct Loess {
    vertices: Vec<Vertex>,
}

impl Loess {
    /// Fits `y` on `x`; see [`loess`].
    ///
    /// # Errors
    /// Those of [`loess`].
    pub fn fit(x: &[f64], y: &[f64], span: f64) -> Result<Self> {
        let m = x.len();
        if m < 4 || y.len() != m {
            return Err(Error::data(format!(
                "loess: {m} points and {} values; at least 4 of each are needed",
                y.len()
            )));
        }
        if let Some(at) = (0..m).find(|&i| !(x[i].is_finite() && y[i].is_finite())) {
            return Err(Error::data(format!(
                "loess: point {at} is ({}, {}); finite numbers are needed",
                x[at], y[at]
            )));
        }
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
        let points = Points {
            x: order.iter().map(|&i| x[i]).collect(),
            y: order.iter().map(|&i| y[i]).collect(),
            n_near: ((m as f64 * span + 1e-5).floor() as usize).min(m),
            stretch: span.max(1.0),
        };
        let places = vertices(&points.x, (m as f64 * span * CELL).floor() as usize);
        Ok(Loess {
            vertices: places
                .into_iter()
                .map(|at| points.fit(at))
                .collect::<Result<_>>()?,
        })
    }

    /// The smooth at `x`, which should be in the range of the points.
    pub fn value(&self, x: f64) -> f64 {
        interpolate(&self.vertices, x)
    }
}

/// Places of the tree's vertices, ascending. `most`: points of a cell that is not cut.
fn vertices(x: &[f64], most: usize) -> Vec<f64> {
    let (least, greatest) = (x[0], x[x.len() - 1]);
    let range = greatest - least;
    let width = range.max(1e-3 * least.abs().max(greatest.abs()) + 1e-30);
    let (low, high) = (least - MARGIN * width, greatest + MARGIN * width);
    let mut found = vec![low, high];
    // First and last point (one-based) and borders of the cells to look at.
    let mut cells = vec![(1, x.len(), low, high)];
    while let Some((first, last, from, to)) = cells.pop() {
        if last - first < most {
            continue;
        }
        let cut_at = cut_point(x, first, last);
        let cut = x[cut_at - 1];
        if cut == from || cut == to {
            continue;
        }
        found.push(cut);
        cells.push((first, cut_at, from, cut));
        cells.push((cut_at + 1, last, cut, to));
    }
    found.sort_by(f64::total_cmp);
    found.dedup();
    found
}

/// The point (one-based) nearest to the middle whose right neighbour differs from it; the middle
/// when there is none.
fn cut_point(x: &[f64], first: usize, last: usize) -> usize {
    let middle = (first + last) / 2;
    let mut offset = 0_isize;
    loop {
        let at = middle as isize + offset;
        if at < first as isize || at >= last as isize {
            return middle;
        }
        let at = at as usize;
        if x[at - 1] != x[at] {
            return at;
        }
        offset = -offset;
        if offset >= 0 {
            offset += 1;
        }
    }
}

/// Sorted points.
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
    /// Points of a local fit.
    n_near: usize,
    /// Factor on the bandwidth, for spans above 1.
    stretch: f64,
}

impl Points {
    /// The local quadratic at a vertex.
    fn fit(&self, at: f64) -> Result<Vertex> {
        let mut distances: Vec<f64> = self.x.iter().map(|x| (x - at).abs()).collect();
        if self.n_near == 0 {
            return Err(too_small());
        }
        let (_, width, _) = distances.select_nth_unstable_by(self.n_near - 1, f64::total_cmp);
        let width = *width * self.stretch;
        if width <= 0.0 {
            return Err(too_small());
        }
        let (mut columns, mut target): ([Vec<f64>; 3], Vec<f64>) = Default::default();
        for (&x, &y) in self.x.iter().zip(&self.y) {
            let d = x - at;
            let share = d.abs() / width;
            if share >= 1.0 {
                continue;
            }
            let cube = 1.0 - share * share * share;
            let root = (cube * cube * cube).sqrt();
            columns[0].push(root);
            columns[1].push(root * d);
            columns[2].push(root * d * d);
            target.push(root * y);
        }
        let solution = least_squares(columns, &target);
        Ok(Vertex {
            x: at,
            value: solution[0],
            slope: solution[1],
        })
    }
}

fn too_small() -> Error {
    Error::data(
        "loess: the span is too small: so many points share one place that a neighbourhood has no \
         width; give a larger span",
    )
}

/// Least squares of three columns, scaled to unit length, by their singular values.
///
/// One-sided Jacobi: the columns are turned against each other until they are orthogonal.
fn least_squares(mut columns: [Vec<f64>; 3], target: &[f64]) -> [f64; 3] {
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
    let mut scale = [1.0; 3];
    for (column, scale) in columns.iter_mut().zip(&mut scale) {
        let length = dot(column, column).sqrt();
        if length > 0.0 {
            *scale = length;
            column.iter_mut().for_each(|v| *v /= length);
        }
    }
    let mut turns = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..60 {
        let mut is_orthogonal = true;
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            let (a, b) = (dot(&columns[p], &columns[p]), dot(&columns[q], &columns[q]));
            let c = dot(&columns[p], &columns[q]);
            if c.abs() <= f64::EPSILON * (a * b).sqrt() || c == 0.0 {
                continue;
            }
            is_orthogonal = false;
            let zeta = (b - a) / (2.0 * c);
            let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
            let t = if zeta == 0.0 { 1.0 } else { t };
            let cosine = 1.0 / (1.0 + t * t).sqrt();
            let sine = cosine * t;
            let (low, high) = columns.split_at_mut(q);
            for (x, y) in low[p].iter_mut().zip(&mut high[0]) {
                (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
            }
            for row in &mut turns {
                (row[p], row[q]) = (
                    cosine * row[p] - sine * row[q],
                    sine * row[p] + cosine * row[q],
                );
            }
        }
        if is_orthogonal {
            break;
        }
    }
    let squares: [f64; 3] = std::array::from_fn(|j| dot(&columns[j], &columns[j]));
    let largest = squares.iter().fold(0.0_f64, |m, &s| m.max(s)).sqrt();
    let mut solution = [0.0; 3];
    for j in 0..3 {
        if squares[j].sqrt() <= TOLERANCE * largest {
            continue;
        }
        let part = dot(&columns[j], target) / squares[j];
        for (value, row) in solution.iter_mut().zip(&turns) {
            *value += row[j] * part;
        }
    }
    for (value, scale) in solution.iter_mut().zip(&scale) {
        *value /= scale;
    }
    solution
}

/// The cubic between two vertices.
fn interpolate(vertices: &[Vertex], x: f64) -> f64 {
    let at = vertices.partition_point(|v| v.x < x);
    let at = at.clamp(1, vertices.len() - 1);
    let (a, b) = (vertices[at - 1], vertices[at]);
    let h = b.x - a.x;
    let t = (x - a.x) / h;
    let s = 1.0 - t;
    let one = s * s * (1.0 + 2.0 * t);
    let two = t * t * (3.0 - 2.0 * t);
    let three = t * s * s * h;
    let four = -t * t * s * h;
    one * a.value + two * b.value + three * a.slope + four * b.slope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_is_met_exactly() {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i * i % 83) / 10.0).collect();
        let y: Vec<f64> = x.iter().map(|v| 2.0 - v + 0.5 * v * v).collect();
        for span in [0.2, 0.3, 1.0] {
            let fit = loess(&x, &y, span).expect("fitted");
            for (a, b) in fit.iter().zip(&y) {
                // Exact at the vertices; the cubic between them meets a quadratic too.
                assert!((a - b).abs() < 1e-9, "{a} {b}");
            }
        }
    }

    /// The normal equations, solved by elimination.
    fn slow_fit(x: &[f64], y: &[f64], at: f64, n_near: usize) -> f64 {
        let mut d: Vec<f64> = x.iter().map(|v| (v - at).abs()).collect();
        d.sort_by(f64::total_cmp);
        let h = d[n_near - 1];
        let mut a = [[0.0; 4]; 3];
        for (&x, &y) in x.iter().zip(y) {
            let u = x - at;
            let r = u.abs() / h;
            if r >= 1.0 {
                continue;
            }
            let w = (1.0 - r.powi(3)).powi(3);
            let b = [1.0, u, u * u];
            for i in 0..3 {
                for j in 0..3 {
                    a[i][j] += w * b[i] * b[j];
                }
                a[i][3] += w * b[i] * y;
            }
        }
        for i in 0..3 {
            for k in 0..3 {
                if k != i {
                    let f = a[k][i] / a[i][i];
                    let row = a[i];
                    a[k].iter_mut().zip(row).for_each(|(v, r)| *v -= f * r);
                }
            }
        }
        a[0][3] / a[0][0]
    }

    #[test]
    fn vertices_hold_the_local_fit() {
        let x: Vec<f64> = (0..120)
            .map(|i| (f64::from(i) * 0.37).sin() * 3.0)
            .collect();
        let y: Vec<f64> = x.iter().map(|v| (2.0 * v).cos() + v * 0.1).collect();
        let mut sorted = x.clone();
        sorted.sort_by(f64::total_cmp);
        let fit = loess(&x, &y, 0.3).expect("fitted");
        let cuts = vertices(&sorted, (120.0_f64 * 0.3 * CELL).floor() as usize);
        assert!(cuts.len() > 10);
        for &cut in &cuts[1..cuts.len() - 1] {
            let at = x.iter().position(|&v| v == cut).expect("a point");
            let slow = slow_fit(&x, &y, cut, 36);
            assert!((fit[at] - slow).abs() < 1e-9, "{} {slow}", fit[at]);
        }
    }

    #[test]
    fn ties_are_stepped_over_and_no_width_is_an_error() {
        let x = [1.0, 1.0, 1.0, 1.0, 2.0, 3.0];
        assert_eq!(cut_point(&x, 1, 6), 4);
        let y = [0.0; 6];
        assert!(loess(&x, &y, 0.5).is_err());
        assert!(loess(&[1.0, 2.0], &[1.0, 2.0], 0.3).is_err());
        assert!(loess(&[1.0, 2.0, f64::NAN, 4.0], &[0.0; 4], 0.9).is_err());
    }
}
