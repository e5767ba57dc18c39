//! Counts of htseq-count: one file a sample, a gene and its count a line.
//!
//! # Cost
//! One pass over each file; memory: four bytes a gene and sample, and the names.
//!
//! # Source
//! DESeq2 1.38, `DESeqDataSetFromHTSeqCount`: fields are divided by white space, the first is the gene,
//! the last its count (so further columns of attributes may stand between); lines that count reads
//! without a gene are left out.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use crate::data::source::count_of;
use crate::data::text_file::open_text;
use crate::error::{Error, Result};

/// What htseq-count called its summary lines before they began with `_`.
const OLD_SUMMARIES: [&str; 5] = [
    "no_feature",
    "ambiguous",
    "too_low_aQual",
    "not_aligned",
    "alignment_not_unique",
];

/// Counts of several samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtseqCounts {
    /// Gene names, in the order of the files.
    pub genes: Vec<String>,
    /// Counts, genes x samples: all samples of the first gene first.
    pub counts: Vec<u32>,
}

/// Reads one file a sample (gzip or not), which must name the same genes in the same order.
///
/// # Errors
/// `InvalidArgument` without files; `Io`; `UnsupportedFormat` naming file and line for a line with fewer
/// than two fields, a count that is none, or a gene that is another one than in the first file.
pub fn read_htseq(files: &[PathBuf]) -> Result<HtseqCounts> {
    let Some(first) = files.first() else {
        return Err(Error::argument("files", "at least one is needed"));
    };
    let mut genes: Vec<String> = Vec::new();
    let mut columns: Vec<Vec<u32>> = Vec::with_capacity(files.len());
    for path in files {
        let mut column = Vec::with_capacity(genes.len());
        let is_first = columns.is_empty();
        each_gene(path, |line, gene, count| {
            let at = column.len();
            column.push(count);
            if is_first {
                genes.push(gene.to_owned());
                return Ok(());
            }
            match genes.get(at) {
                Some(known) if known == gene => Ok(()),
                other => Err(differs(path, first, line, gene, other)),
            }
        })?;
        if column.len() < genes.len() {
            return Err(Error::format(
                path,
                format!(
                    "ends after {} genes, before {:?}; all files must have the {} genes of {} in the \
                     same order",
                    column.len(),
                    genes[column.len()],
                    genes.len(),
                    first.display()
                ),
            ));
        }
        columns.push(column);
    }
    if genes.is_empty() {
        return Err(Error::format(first, "holds no genes"));
    }
    let counts = (0..genes.len())
        .flat_map(|gene| columns.iter().map(move |column| column[gene]))
        .collect();
    Ok(HtseqCounts { genes, counts })
}

fn differs(path: &Path, first: &Path, line: usize, gene: &str, other: Option<&String>) -> Error {
    let there = match other {
        Some(known) => format!("{known:?}"),
        None => "no gene any more".to_owned(),
    };
    Error::format(
        path,
        format!(
            "line {line}: gene {gene:?}, where {} has {there}; all files must have the same genes in the \
             same order",
            first.display()
        ),
    )
}

/// Calls `f` with the line number, the gene and the count of every gene.
fn each_gene(path: &Path, mut f: impl FnMut(usize, &str, u32) -> Result<()>) -> Result<()> {
    for (at, line) in open_text(path)?.lines().enumerate() {
        let line = line.map_err(|e| Error::io(path, "reading", e))?;
        let mut fields = line.split_whitespace();
        let Some(gene) = fields.next() else {
            continue;
        };
        if gene.starts_with('_') || OLD_SUMMARIES.contains(&gene) {
            continue;
        }
        let Some(field) = fields.next_back() else {
            return Err(Error::format(
                path,
                format!("line {}: {gene:?} stands alone; a count is needed", at + 1),
            ));
        };
        let count = field.parse::<f64>().ok().and_then(count_of);
        let count = count.ok_or_else(|| {
            Error::format(
                path,
                format!(
                    "line {}: {field:?} is not a count; an integer >= 0 is needed",
                    at + 1
                ),
            )
        })?;
        f(at + 1, gene, count)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = texts.iter().enumerate().map(|(i, text)| {
            let path = folder.path().join(format!("{i}.txt"));
            std::fs::write(&path, text).expect("written");
            path
        });
        let paths = paths.collect();
        (folder, paths)
    }

    #[test]
    fn genes_are_kept_and_summaries_left_out() {
        let (_folder, paths) = files(&[
            "a\t3\nb\tname\t0\n__no_feature\t9\nambiguous\t4\n",
            "a 5\nb other 7\n__too_low\t1\n",
        ]);
        let got = read_htseq(&paths).expect("two files");
        assert_eq!(got.genes, ["a", "b"]);
        assert_eq!(got.counts, [3, 5, 0, 7]);
    }

    #[test]
    fn faults_are_named_by_file_and_line() {
        for (texts, words) in [
            (
                ["a\t1\nb\t2\n", "a\t1\nc\t2\n"],
                "1.txt: line 2: gene \"c\"",
            ),
            (["a\t1\n", "a\t1\nb\t2\n"], "no gene any more"),
            (["a\t1\nb\t2\n", "a\t1\n"], "before \"b\""),
            (["a\t1.5\n", "a\t1\n"], "\"1.5\" is not a count"),
            (["a\n", "a\t1\n"], "stands alone"),
            (["__x\t1\n", ""], "no genes"),
        ] {
            let (_folder, paths) = files(&texts);
            let error = read_htseq(&paths).expect_err(words);
            assert!(error.message().contains(words), "{}", error.message());
        }
        assert!(read_htseq(&[]).is_err());
        assert!(read_htseq(&[PathBuf::from("/nowhere/at/all")]).is_err());
    }
}
