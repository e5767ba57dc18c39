//! The summary of a table of results, as text.
//!
//! # Cost
//! One pass over the genes.

use super::results::DeseqResults;

/// How many genes go up, down, are outliers or have low counts, at a level (that of the results
/// when absent; 0.005 for s-values).
pub fn summary(results: &DeseqResults, alpha: Option<f64>) -> String {
    let by_s = results.svalue.is_some() && results.padj.is_none();
    let alpha = alpha.unwrap_or(if by_s { 0.005 } else { results.alpha });
    let tested = results
        .svalue
        .as_ref()
        .filter(|_| by_s)
        .or(results.padj.as_ref());
    let empty = Vec::new();
    let tested = tested.unwrap_or(&empty);
    let present: Vec<usize> = (0..results.genes.len())
        .filter(|&i| results.base_mean[i] > 0.0)
        .collect();
    let n = present.len();
    let count = |test: &dyn Fn(usize) -> bool| present.iter().filter(|&&i| test(i)).count();
    let below = |i: usize| tested.get(i).is_some_and(|p| *p < alpha);
    let t = results.lfc_threshold;
    let lfc = &results.log2_fold_change;
    let up = count(&|i| below(i) && lfc[i] > t);
    let down = count(&|i| below(i) && lfc[i] < -t);
    let share = |k: usize| format!("{k}, {}%", two_digits(100.0 * k as f64 / n as f64));
    let bound = |value: f64| format!("{value}");
    let (high, low) = if t == 0.0 {
        ("LFC > 0 (up)    ".to_owned(), "LFC < 0 (down)  ".to_owned())
    } else {
        (
            format!("LFC > {:.2} (up) ", t),
            format!("LFC < {:.2} (down)", -t),
        )
    };
    let measure = if by_s { "s-value" } else { "adjusted p-value" };
    let mut text = format!(
        "\nout of {n} with nonzero total read count\n{measure} < {}\n{high}   : {}\n{low}   : {}\n",
        bound(alpha),
        share(up),
        share(down)
    );
    let Some(p) = results.pvalue.as_ref().filter(|_| !by_s) else {
        text.push('\n');
        return text;
    };
    let outliers = count(&|i| p[i].is_nan());
    // Genes that lost all counts to the replacement of outliers can have p-values too.
    let filtered = (0..p.len())
        .filter(|&i| !p[i].is_nan() && tested.get(i).is_some_and(|a| a.is_nan()))
        .count();
    text.push_str(&format!("outliers [1]       : {}\n", share(outliers)));
    if let Some(filtering) = &results.filtering {
        text.push_str(&format!("low counts [2]     : {}\n", share(filtered)));
        text.push_str(&format!(
            "(mean count < {})\n",
            filtering.threshold.round_ties_even()
        ));
    }
    text.push_str("[1] see 'cooksCutoff' argument of ?results\n");
    text.push_str("[2] see 'independentFiltering' argument of ?results\n\n");
    text
}

/// A percentage with two significant digits, as R prints it.
fn two_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = 1 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        let unit = 10_f64.powi(-digits);
        return format!("{}", (value / unit).round_ties_even() * unit);
    }
    let text = format!("{value:.*}", digits as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_two_digits() {
        let cases = [
            (0.0, "0"),
            (3.935, "3.9"),
            (12.04, "12"),
            (0.0512, "0.051"),
            (100.0, "100"),
            (5.0, "5"),
        ];
        for (value, text) in cases {
            assert_eq!(two_digits(value), text);
        }
    }
}
