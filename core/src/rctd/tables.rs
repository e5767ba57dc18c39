//! Results as tables for people and data frames: weights, and the scores behind doublet mode.
//!
//! Time and memory: those of the table. The table of classes and types is `RctdResults::table`.

use crate::data::{Categorical, Column, Table};
use crate::error::Result;

use super::results::RctdResults;

impl RctdResults {
    /// Raw weights: a row a pixel, a column a type.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn weights_table(&self) -> Result<Table> {
        self.by_type(&self.weights)
    }

    /// Weights divided by their row sums, like [`RctdResults::weights_table`].
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn normalized_weights_table(&self) -> Result<Table> {
        self.by_type(&self.normalized_weights())
    }

    /// Weights implied by doublet mode, like [`RctdResults::weights_table`]; `None` in other modes.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn doublet_weights_table(&self) -> Result<Option<Table>> {
        self.doublet_weights()
            .map(|weights| self.by_type(&weights))
            .transpose()
    }

    /// Scores of single candidate types: a row a pixel and candidate. `None` without scores.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn singlet_scores_table(&self) -> Result<Option<Table>> {
        let Some(scores) = self.doublet.as_ref().and_then(|d| d.scores.as_ref()) else {
            return Ok(None);
        };
        let mut index = Vec::with_capacity(scores.candidates.len());
        for (barcode, ends) in self.barcodes.iter().zip(scores.offsets.windows(2)) {
            index.extend((ends[0]..ends[1]).map(|_| barcode.clone()));
        }
        let mut table = Table::new(index);
        table.set("cell_type", self.names_of(&scores.candidates))?;
        table.set("score", Column::F64(scores.singlet_scores.clone()))?;
        Ok(Some(table))
    }

    /// Scores of pairs of candidate types: a row a pixel and pair. `None` without scores.
    ///
    /// # Errors
    /// None that a result of this crate can cause.
    pub fn pair_scores_table(&self) -> Result<Option<Table>> {
        let Some(scores) = self.doublet.as_ref().and_then(|d| d.scores.as_ref()) else {
            return Ok(None);
        };
        let n = scores.pair_scores.len();
        let (mut index, mut first, mut second) = (
            Vec::with_capacity(n),
            Vec::with_capacity(n),
            Vec::with_capacity(n),
        );
        for (barcode, ends) in self.barcodes.iter().zip(scores.offsets.windows(2)) {
            let candidates = &scores.candidates[ends[0] as usize..ends[1] as usize];
            for (position, &one) in candidates.iter().enumerate() {
                for &other in &candidates[position + 1..] {
                    index.push(barcode.clone());
                    first.push(one);
                    second.push(other);
                }
            }
        }
        let mut table = Table::new(index);
        table.set("first_type", self.names_of(&first))?;
        table.set("second_type", self.names_of(&second))?;
        table.set("score", Column::F64(scores.pair_scores.clone()))?;
        Ok(Some(table))
    }

    fn by_type(&self, weights: &[f64]) -> Result<Table> {
        let k = self.cell_types.len();
        let mut table = Table::new(self.barcodes.clone());
        for (position, name) in self.cell_types.iter().enumerate() {
            let column = weights.iter().skip(position).step_by(k).copied().collect();
            table.set(name.as_str(), Column::F64(column))?;
        }
        Ok(table)
    }

    fn names_of(&self, codes: &[u32]) -> Column {
        Column::Categorical(Categorical {
            codes: codes.iter().map(|&code| code as i32).collect(),
            categories: self.cell_types.clone(),
            ordered: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Mode;
    use super::super::results::{DoubletColumns, DoubletScores};
    use super::*;

    fn results() -> RctdResults {
        RctdResults {
            mode: Mode::Doublet,
            cell_types: vec!["A".into(), "B".into(), "C".into()],
            sigma: 100,
            n_pixels_total: 5,
            options: std::sync::Arc::default(),
            pixels: vec![0, 4],
            barcodes: vec!["p0".into(), "p4".into()],
            weights: vec![1.0, 2.0, 1.0, 0.0, 0.5, 0.0],
            converged: vec![true, true],
            doublet: Some(DoubletColumns {
                spot_class: vec![2, 1],
                first_type: vec![1, 1],
                second_type: vec![0, 2],
                weights: vec![0.75, 0.25, 0.9, 0.1],
                scores: Some(DoubletScores {
                    offsets: vec![0, 3, 5],
                    candidates: vec![0, 1, 2, 1, 2],
                    singlet_scores: vec![1.0, 2.0, 3.0, 4.0, 5.0],
                    pair_offsets: vec![0, 3, 4],
                    pair_scores: vec![10.0, 20.0, 30.0, 40.0],
                }),
                ..DoubletColumns::default()
            }),
            multi: None,
        }
    }

    #[test]
    fn weights_have_a_column_a_type() {
        let table = results().weights_table().expect("fits");
        assert_eq!(table.column("B"), Some(&Column::F64(vec![2.0, 0.5])));
        let table = results().normalized_weights_table().expect("fits");
        assert_eq!(table.column("B"), Some(&Column::F64(vec![0.5, 1.0])));
        let table = results()
            .doublet_weights_table()
            .expect("fits")
            .expect("doublet");
        assert_eq!(table.column("B"), Some(&Column::F64(vec![0.75, 1.0])));
        assert_eq!(table.column("A"), Some(&Column::F64(vec![0.25, 0.0])));
    }

    #[test]
    fn pairs_are_listed_with_their_types() {
        let table = results().pair_scores_table().expect("fits").expect("kept");
        let label = |column: &str, row: usize| match table.column(column) {
            Some(Column::Categorical(labels)) => labels.label(row).map(str::to_owned),
            _ => None,
        };
        let rows: Vec<String> = (0..table.n_rows())
            .map(|row| {
                let types = (label("first_type", row), label("second_type", row));
                format!("{} {:?}", table.index[row], types)
            })
            .collect();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[1], r#"p0 (Some("A"), Some("C"))"#);
        assert_eq!(rows[3], r#"p4 (Some("B"), Some("C"))"#);
        let singles = results()
            .singlet_scores_table()
            .expect("fits")
            .expect("kept");
        assert_eq!(singles.index, ["p0", "p0", "p0", "p4", "p4"]);
    }

    #[test]
    fn without_scores_there_is_no_table() {
        let mut without = results();
        without.doublet = None;
        assert_eq!(without.pair_scores_table().expect("fits"), None);
        assert_eq!(without.doublet_weights_table().expect("fits"), None);
    }
}
