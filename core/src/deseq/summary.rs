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
    let (high, low) = if t == 0.0 {
        (
            "LFC > 0 (up)       ".to_owned(),
            "LFC < 0 (down)     ".to_owned(),
        )
    } else {
        (
            format!("LFC > {:.2} (up)    ", t),
            format!("LFC < {:.2} (down) ", -t),
        )
    };
    let measure = if by_s { "s-value" } else { "adjusted p-value" };
    let mut text = format!(
        "\nout of {n} with nonzero total read count\n{measure} < {}\n{high}: {}\n{low}: {}\n",
        as_r_prints(alpha),
        share(up),
        share(down)
    );
    let p = results.pvalue.as_ref().unwrap_or(&empty);
    if by_s || p.is_empty() {
        text.push('\n');
        return text;
    }
    let outliers = count(&|i| p[i].is_nan());
    // Genes that lost all counts to the replacement of outliers can have p-values too.
    let filtered = (0..p.len())
        .filter(|&i| !p[i].is_nan() && tested.get(i).is_some_and(|a| a.is_nan()))
        .count();
    text.push_str(&format!("outliers [1]       : {}\n", share(outliers)));
    let threshold = results.filtering.as_ref().map_or(0.0, |f| f.threshold);
    text.push_str(&format!("low counts [2]     : {}\n", share(filtered)));
    let threshold = as_r_prints(threshold.round_ties_even());
    text.push_str(&format!("(mean count < {threshold})\n"));
    text.push_str("[1] see 'cooksCutoff' argument of ?results\n");
    text.push_str("[2] see 'independentFiltering' argument of ?results\n\n");
    text
}

/// A percentage with two significant digits.
fn two_digits(value: f64) -> String {
    match format!("{value:.1e}").parse() {
        Ok(rounded) if value.is_finite() => as_r_prints(rounded),
        _ => format!("{value}"),
    }
}

/// A number as R prints it: up to 15 significant digits, in powers of ten where that is shorter.
fn as_r_prints(value: f64) -> String {
    let fixed = format!("{value}");
    let (digits, power) = match format!("{value:e}").split_once('e') {
        Some((digits, power)) => (digits.to_owned(), power.parse::<i32>().unwrap_or(0)),
        None => return fixed,
    };
    let sign = if power < 0 { '-' } else { '+' };
    let scientific = format!("{digits}e{sign}{:02}", power.abs());
    if fixed.len() <= scientific.len() {
        fixed
    } else {
        scientific
    }
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
            (0.000051, "5.1e-05"),
        ];
        for (value, text) in cases {
            assert_eq!(two_digits(value), text);
        }
    }

    #[test]
    fn numbers_are_printed_as_r_prints_them() {
        let cases = [
            (0.1, "0.1"),
            (0.005, "0.005"),
            (0.0001, "1e-04"),
            (0.00123, "0.00123"),
            (100_000.0, "1e+05"),
            (123_456.0, "123456"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(as_r_prints(value), text);
        }
    }
}
