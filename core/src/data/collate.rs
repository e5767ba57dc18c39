//! The order in which R sorts labels, for columns that come without an order of their own.
//!
//! R built with ICU compares by the Unicode collation algorithm with CLDR's root tailoring:
//! punctuation, then digits, then letters; letters regardless of case, lower case first on ties.
//! This module gives that order everywhere; it does not read the machine's locale.
//!
//! Time: O(n log n) comparisons. Memory: nothing beyond the labels.

use std::cmp::Ordering;
use std::collections::HashMap;

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};

use super::table::Categorical;

/// Sorts labels as R's `sort` does in a UTF-8 locale; ties of the collation by code point.
///
/// ```
/// let mut labels = ["B", "a", "10", "b", "_x", "9", "A"].map(String::from);
/// cytosol::data::collate::sort_like_r(&mut labels);
/// assert_eq!(labels, ["_x", "10", "9", "a", "A", "b", "B"]);
/// ```
///
/// # Source
/// R 4.2 with ICU: `sort(c(...))`; CLDR root collation.
pub fn sort_like_r(labels: &mut [String]) {
    let collator = collator();
    labels.sort_by(|a, b| compare(&collator, a, b));
}

fn collator() -> CollatorBorrowed<'static> {
    Collator::try_new(CollatorPreferences::default(), CollatorOptions::default())
        .expect("the root collation is compiled in")
}

fn compare(collator: &CollatorBorrowed<'_>, a: &str, b: &str) -> Ordering {
    collator.compare(a, b).then_with(|| a.cmp(b))
}

impl Categorical {
    /// Categories from plain labels, sorted as R sorts them.
    ///
    /// Empty labels and `NA` count as labels like any other: whether they are allowed is for the
    /// caller to say.
    ///
    /// ```
    /// use cytosol::data::Categorical;
    /// let types = Categorical::from_labels(&["neuron".into(), "Astro".into(), "neuron".into()]);
    /// assert_eq!(types.categories, ["Astro", "neuron"]);
    /// assert_eq!(types.codes, [1, 0, 1]);
    /// ```
    pub fn from_labels(labels: &[String]) -> Self {
        let mut first_seen: HashMap<&str, i32> = HashMap::new();
        let mut distinct: Vec<String> = Vec::new();
        let seen: Vec<i32> = labels
            .iter()
            .map(|label| {
                *first_seen.entry(label).or_insert_with(|| {
                    distinct.push(label.clone());
                    distinct.len() as i32 - 1
                })
            })
            .collect();
        let mut order: Vec<usize> = (0..distinct.len()).collect();
        let collator = collator();
        order.sort_by(|&a, &b| compare(&collator, &distinct[a], &distinct[b]));
        let mut rank = vec![0_i32; distinct.len()];
        for (position, &label) in order.iter().enumerate() {
            rank[label] = position as i32;
        }
        Categorical {
            codes: seen.iter().map(|&code| rank[code as usize]).collect(),
            categories: order.iter().map(|&label| distinct[label].clone()).collect(),
            ordered: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_r() {
        let expected = [
            "_a", "-a", "(b)", "10", "2", "9", "a", "A", "a b", "a_1", "a1", "a10", "a2", "ab",
            "Ab", "AB", "b", "B", "é", "f", "Z",
        ];
        let mut labels = expected.map(String::from);
        labels.reverse();
        sort_like_r(&mut labels);
        assert_eq!(labels, expected);
    }

    #[test]
    fn cell_type_names_with_case_and_punctuation() {
        let expected = [
            "Astrocytes",
            "astrocytes 2",
            "CA1",
            "Endothelial_Stalk",
            "Endothelial_Tip",
            "Endothelial-Tip",
            "MLI1",
            "MLI2",
            "Oligodendrocytes",
            "UBCs",
        ];
        let mut labels = expected.map(String::from);
        labels.rotate_left(4);
        sort_like_r(&mut labels);
        assert_eq!(labels, expected);
    }

    #[test]
    fn labels_become_codes() {
        let labels = ["b", "", "A", "b", "a"].map(String::from);
        let coded = Categorical::from_labels(&labels);
        assert_eq!(coded.categories, ["", "a", "A", "b"]);
        assert_eq!(coded.codes, [3, 0, 2, 3, 1]);
        assert_eq!(Categorical::from_labels(&[]), Categorical::default());
    }
}
