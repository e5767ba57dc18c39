//! Any view of a host's arrays, valid or not, sparse or dense, as counts or as values of any type: it is refused, or
//! its cells can be read. Values are those of the arrays, bit by bit.
#![no_main]

use engine::Context;
use engine::data::matrix::{
    DenseView, IndexArray, IndexBase, Layout, Orientation, SparseView, ValueArray,
};
use engine::data::rows::{ReadOptions, RowReader, RowScratch};
use engine::data::{CellBlocks, CountBlock, RowSource};
use libfuzzer_sys::fuzz_target;

/// Bytes before the arrays.
const HEAD: usize = 8;

macro_rules! values {
    ($($number:literal $t:ident $kind:ident $small:expr),*) => {
        /// Elements of one of the types that a host may have.
        enum Values {
            $($kind(Vec<$t>)),*
        }

        impl Values {
            /// Bytes of an element of a kind.
            fn size(kind: u8) -> usize {
                match kind { $($number => size_of::<$t>(),)* _ => 1 }
            }

            /// Elements of any bits, or small ones, a byte each.
            fn read(kind: u8, bytes: &[u8], is_raw: bool) -> Self {
                match kind {
                    $($number => {
                        let small: fn(u8) -> $t = $small;
                        Values::$kind(match is_raw {
                            true => bytes
                                .chunks_exact(size_of::<$t>())
                                .map(|b| $t::from_le_bytes(b.try_into().expect("as long")))
                                .collect(),
                            false => bytes.iter().map(|&b| small(b)).collect(),
                        })
                    })*
                    _ => unreachable!("there are no more kinds"),
                }
            }

            fn array(&self) -> ValueArray<'_> {
                match self { $(Values::$kind(values) => ValueArray::$kind(values)),* }
            }

            fn number(&self, at: usize) -> f64 {
                match self { $(Values::$kind(values) => values[at] as f64),* }
            }
        }
    };
}

values!(
    0 f32 F32 |b| f32::from(b as i8) / 4.0,
    1 f64 F64 |b| f64::from(b as i8) / 4.0,
    2 i32 I32 |b| i32::from(b as i8),
    3 i64 I64 |b| i64::from(b as i8),
    4 u8 U8 |b| b,
    5 u16 U16 u16::from,
    6 u32 U32 u32::from
);

/// Positions, mostly small, in either width.
struct Positions {
    narrow: Vec<i32>,
    wide: Vec<i64>,
    is_wide: bool,
}

impl Positions {
    fn read(bytes: &[u8], shift: u8, is_wide: bool) -> Self {
        let narrow: Vec<i32> = bytes.iter().map(|&b| i32::from(b as i8)).collect();
        Positions {
            wide: narrow.iter().map(|&i| i64::from(i) << shift).collect(),
            narrow,
            is_wide,
        }
    }

    fn array(&self) -> IndexArray<'_> {
        match self.is_wide {
            true => IndexArray::I64(&self.wide),
            false => IndexArray::I32(&self.narrow),
        }
    }

    fn get(&self, at: usize) -> usize {
        let position = match self.is_wide {
            true => self.wide[at],
            false => i64::from(self.narrow[at]),
        };
        usize::try_from(position).expect("checked")
    }
}

/// Genes and values of each cell, without zeros, genes in order.
type Cells = Vec<Vec<(u32, f64)>>;

/// What a sparse view says, once it was checked.
fn sparse_cells(
    view: &SparseView<'_>,
    starts: &Positions,
    indices: &Positions,
    values: &Values,
) -> Cells {
    let base = usize::from(view.index_base == IndexBase::One);
    let is_by_row = view.layout == Layout::Csr;
    let rows_are_cells = view.orientation == Orientation::CellsByGenes;
    let mut cells: Cells = vec![Vec::new(); view.n_cells()];
    for major in 0..if is_by_row {
        view.n_rows
    } else {
        view.n_columns
    } {
        for at in starts.get(major) - base..starts.get(major + 1) - base {
            let minor = indices.get(at) - base;
            let (cell, gene) = match is_by_row == rows_are_cells {
                true => (major, minor),
                false => (minor, major),
            };
            if values.number(at) != 0.0 {
                cells[cell].push((gene as u32, values.number(at)));
            }
        }
    }
    for cell in &mut cells {
        cell.sort_by_key(|entry| entry.0);
    }
    cells
}

/// What a dense view says, once it was checked.
fn dense_cells(view: &DenseView<'_>, values: &Values) -> Cells {
    let one = |cell: usize| {
        let element = |gene: usize| {
            let (row, column) = match view.orientation {
                Orientation::CellsByGenes => (cell, gene),
                Orientation::GenesByCells => (gene, cell),
            };
            let at = row * view.row_stride + column * view.column_stride;
            (gene as u32, values.number(at))
        };
        let all = (0..view.n_genes()).map(element);
        all.filter(|entry| entry.1 != 0.0).collect()
    };
    (0..view.n_cells()).map(one).collect()
}

fn read_counts(ctx: &Context, mut blocks: Box<dyn CellBlocks + '_>) {
    let mut block = CountBlock::default();
    let n_cells = blocks.n_cells();
    if blocks.read_cells(ctx, 0..n_cells, &mut block).is_ok() {
        assert_eq!(block.n_rows(), n_cells);
        for row in 0..n_cells {
            let (genes, counts) = block.row(row);
            assert!(genes.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(genes.iter().all(|&gene| (gene as usize) < blocks.n_genes()));
            assert!(counts.iter().all(|&count| count > 0));
        }
    }
}

/// Reads all cells in two stretches; `expected` of views that were checked.
fn read_values(ctx: &Context, rows: &dyn RowSource, cut: usize, expected: Option<&Cells>) {
    let n_cells = rows.n_cells();
    let cut = cut.min(n_cells);
    let mut as_stored = RowReader::new(ReadOptions {
        sum_duplicates: false,
        allow_nonfinite: true,
    });
    let mut finite = RowReader::new(ReadOptions::default());
    for stretch in [0..cut, cut..n_cells] {
        let _ = rows.bytes(stretch.clone());
        let pending = rows.fetch(ctx, stretch.clone()).expect("within the matrix");
        let block = match (pending(&mut RowScratch::default()), expected) {
            (Ok(block), _) => block,
            (Err(error), Some(_)) => panic!("checked, but {error}"),
            (Err(_), None) => continue,
        };
        assert_eq!(block.n_rows(), stretch.len());
        for row in 0..block.n_rows() {
            let read = as_stored.read(&block, row);
            if let Some(expected) = expected {
                read.expect("checked");
                let expected = &expected[stretch.start + row];
                assert!(
                    as_stored
                        .genes
                        .iter()
                        .eq(expected.iter().map(|entry| &entry.0))
                );
                let same = |(a, b): (&f64, &(u32, f64))| {
                    a.to_bits() == b.1.to_bits() || a.is_nan() && b.1.is_nan()
                };
                assert!(as_stored.values.iter().zip(expected).all(same));
                let is_finite = expected.iter().all(|entry| entry.1.is_finite());
                assert!(is_finite || finite.read(&block, row).is_err());
            }
            if finite.read(&block, row).is_ok() {
                assert!(finite.genes.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(
                    finite
                        .genes
                        .iter()
                        .all(|&gene| (gene as usize) < rows.n_genes())
                );
                assert!(finite.values.iter().all(|&value| value != 0.0));
            }
        }
    }
}

/// From one element to the next: small, or so large that it overflows.
fn stride(byte: u8) -> usize {
    match byte {
        250.. => usize::MAX >> (byte - 250),
        small => usize::from(small % 24),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else {
        return;
    };
    let bit = |k: u8| head[2] >> k & 1 == 1;
    let (kind, is_raw) = (head[4] % 7, head[4] >= 128);
    let size = if is_raw { Values::size(kind) } else { 1 };
    let ctx = Context::single_threaded().expect("one thread");
    let orientation = match bit(1) {
        true => Orientation::CellsByGenes,
        false => Orientation::GenesByCells,
    };
    let (n_rows, n_columns) = (usize::from(head[3] % 20), usize::from(head[3] / 20));
    let (trusted, as_counts, cut) = (bit(5), bit(6), usize::from(head[7]));
    if bit(7) {
        let values = Values::read(kind, body, is_raw);
        let view = DenseView {
            name: "values",
            orientation,
            n_rows,
            n_columns,
            row_stride: stride(head[5]),
            column_stride: stride(head[6]),
            values: values.array(),
        };
        if as_counts {
            if let Ok(blocks) = view.into_blocks() {
                read_counts(&ctx, blocks);
            }
        } else if let Ok(rows) = view.into_rows() {
            read_values(&ctx, &*rows, cut, Some(&dense_cells(&view, &values)));
        }
        return;
    }
    let (starts, rest) = body.split_at(body.len().min(usize::from(head[0] % 40)));
    let (indices, values) = rest.split_at(rest.len() / (1 + size));
    let starts = Positions::read(starts, 0, bit(4));
    let indices = Positions::read(indices, head[1] >> 3, bit(3));
    let values = Values::read(kind, values, is_raw);
    let view = SparseView {
        name: "values",
        layout: if bit(0) { Layout::Csr } else { Layout::Csc },
        orientation,
        n_rows,
        n_columns,
        index_base: if bit(2) {
            IndexBase::One
        } else {
            IndexBase::Zero
        },
        indptr: starts.array(),
        indices: indices.array(),
        values: values.array(),
    };
    if as_counts {
        if let Ok(blocks) = view.into_blocks(&ctx, trusted) {
            read_counts(&ctx, blocks);
        }
    } else if let Ok(rows) = view.into_rows(&ctx, trusted) {
        let expected = (!trusted).then(|| sparse_cells(&view, &starts, &indices, &values));
        read_values(&ctx, &*rows, cut, expected.as_ref());
    }
});
