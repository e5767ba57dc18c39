//! The columns that a run adds to `obs`, named and coded as rctd-py names and codes them.

use crate::data::{Categorical, Column};
use crate::error::{Error, Result};

use super::super::results::SPOT_CLASSES;
use super::pixel_summary::PixelSummary;

/// Label of pixels that the filters took.
pub(super) const FILTERED: &str = "filtered";

/// Names and columns, one value a pixel of the input.
///
/// # Errors
/// `InvalidData` when a cell type is itself called "filtered".
pub(super) fn columns(
    all: &PixelSummary,
    classes: Option<&[(String, String)]>,
) -> Result<Vec<(String, Column)>> {
    let labels = with_filtered(all.cell_types.clone());
    if all.cell_types.iter().any(|name| name == FILTERED) {
        return Err(Error::data(format!(
            "cell type {FILTERED:?}: this name marks pixels without results in the output; \
             rename the type"
        )));
    }
    let types = |codes: &[i32]| categorical(codes, &labels);
    let mut columns = vec![("rctd_dominant_type", types(&all.dominant))];
    if let Some(doublet) = &all.doublet {
        let spot_classes = with_filtered(SPOT_CLASSES.map(String::from).to_vec());
        columns.extend([
            (
                "rctd_spot_class",
                categorical(&doublet.spot_class, &spot_classes),
            ),
            ("rctd_first_type", types(&doublet.first_type)),
            ("rctd_second_type", types(&doublet.second_type)),
            (
                "rctd_first_class",
                Column::Bool(doublet.first_class.clone()),
            ),
            (
                "rctd_second_class",
                Column::Bool(doublet.second_class.clone()),
            ),
        ]);
        if let Some(classes) = classes {
            let (of_type, names) = classes_of_types(&all.cell_types, classes);
            let names = with_filtered(names);
            let class = |codes: &[i32]| {
                let codes: Vec<i32> = codes
                    .iter()
                    .map(|&code| usize::try_from(code).map_or(-1, |c| of_type[c]))
                    .collect();
                categorical(&codes, &names)
            };
            columns.push(("rctd_first_class_name", class(&doublet.first_type)));
            columns.push(("rctd_second_class_name", class(&doublet.second_type)));
        }
    } else if let Some(n_types) = &all.n_types {
        columns.push(("rctd_n_types", Column::I32(n_types.clone())));
    } else {
        columns.push(("rctd_converged", Column::Bool(all.converged.clone())));
    }
    Ok(columns
        .into_iter()
        .map(|(name, column)| (name.to_owned(), column))
        .collect())
}

fn with_filtered(mut labels: Vec<String>) -> Vec<String> {
    labels.push(FILTERED.to_owned());
    labels
}

/// Codes of the labels; -1 becomes the last label, "filtered".
fn categorical(codes: &[i32], labels: &[String]) -> Column {
    let filtered = labels.len() as i32 - 1;
    Column::Categorical(Categorical {
        codes: codes
            .iter()
            .map(|&code| if code < 0 { filtered } else { code })
            .collect(),
        categories: labels.to_vec(),
        ordered: false,
    })
}

/// The class of every type (-1 if none), and the names of the classes in order of appearance.
fn classes_of_types(
    cell_types: &[String],
    classes: &[(String, String)],
) -> (Vec<i32>, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    let of_type = cell_types
        .iter()
        .map(|cell_type| {
            let Some((_, class)) = classes.iter().find(|(name, _)| name == cell_type) else {
                return -1;
            };
            let known = names.iter().position(|name| name == class);
            known.unwrap_or_else(|| {
                names.push(class.clone());
                names.len() - 1
            }) as i32
        })
        .collect();
    (of_type, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rctd::Mode;

    fn names(columns: &[(String, Column)]) -> Vec<&str> {
        columns.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn summary(mode: Mode) -> PixelSummary {
        PixelSummary::new(mode, &["A".to_owned(), "B".to_owned()], 3)
    }

    #[test]
    fn each_mode_has_its_columns() {
        let full = columns(&summary(Mode::Full), None).expect("columns");
        assert_eq!(names(&full), ["rctd_dominant_type", "rctd_converged"]);
        let multi = columns(&summary(Mode::Multi), None).expect("columns");
        assert_eq!(names(&multi), ["rctd_dominant_type", "rctd_n_types"]);
        let classes = [
            ("B".to_owned(), "x".to_owned()),
            ("A".to_owned(), "y".to_owned()),
        ];
        let doublet = columns(&summary(Mode::Doublet), Some(&classes)).expect("columns");
        assert_eq!(doublet.len(), 8);
        assert_eq!(doublet[7].0, "rctd_second_class_name");
    }

    #[test]
    fn filtered_pixels_are_labelled() {
        let mut all = summary(Mode::Full);
        all.dominant[1] = 1;
        let columns = columns(&all, None).expect("columns");
        let Column::Categorical(dominant) = &columns[0].1 else {
            panic!("categorical");
        };
        assert_eq!(dominant.label(0), Some("filtered"));
        assert_eq!(dominant.label(1), Some("B"));
    }

    #[test]
    fn a_type_called_filtered_is_refused() {
        let mut all = summary(Mode::Full);
        all.cell_types[0] = "filtered".to_owned();
        assert!(columns(&all, None).is_err());
    }
}
