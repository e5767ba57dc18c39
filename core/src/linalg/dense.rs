//! Larger dense problems, over faer: eigenvalues of symmetric matrices, orthonormal bases.
//!
//! Everything runs on the calling thread, so that bits do not depend on how many there are.
//!
//! # Cost
//! About 9 n^3 flops for all eigenvectors; memory four times the matrix while it runs.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::tridiag::tridiag_in_place;
use faer::linalg::evd::{
    ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd,
};
use faer::linalg::householder::apply_block_householder_sequence_on_the_left_in_place_with_conj;
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Conj, Mat, MatRef, Par};

use crate::error::{Error, ErrorKind, Result};

/// Largest eigenvalues of a symmetric matrix and their vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Descending.
    pub values: Vec<f64>,
    /// One row a value, of unit length: `values.len() x n`, row-major.
    pub vectors: Vec<f64>,
}

/// The `k` largest eigenvalues of the symmetric `n x n` matrix `a` (all of it stored).
///
/// # Errors
/// `InvalidData` when `a` holds numbers that are not finite, or the iteration does not end.
///
/// # Panics
/// When `a` has not `n * n` elements or `k` exceeds `n`.
pub fn largest_eigen(a: &[f64], n: usize, k: usize) -> Result<Eigen> {
    assert!(
        a.len() == n * n && k <= n,
        "{} for n = {n}, k = {k}",
        a.len()
    );
    if n == 0 || k == 0 {
        return Ok(Eigen {
            values: Vec::new(),
            vectors: Vec::new(),
        });
    }
    if a.iter().any(|v| !v.is_finite()) {
        return Err(Error::data(
            "eigenvalues: the matrix holds numbers that are not finite",
        ));
    }
    if n == 1 {
        return Ok(Eigen {
            values: vec![a[0]],
            vectors: vec![1.0],
        });
    }
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::try_new(scratch).map_err(|_| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!("eigenvalues: no memory for a matrix of {n} rows"),
        )
    })?;
    let stack = MemStack::new(&mut memory);
    let mut reduced = Mat::<f64>::zeros(n, n);
    reduced.copy_from(MatRef::from_row_major_slice(a, n, n));
    let block = recommended_block_size::<f64>(n, n);
    let mut reflections = Mat::<f64>::zeros(block, n - 1);
    tridiag_in_place(
        reduced.as_mut(),
        reflections.as_mut(),
        Par::Seq,
        stack,
        Default::default(),
    );
    let (mut diagonal, mut below) = (Diag::<f64>::zeros(n), Diag::<f64>::zeros(n - 1));
    for i in 0..n {
        diagonal[i] = reduced[(i, i)];
        if i + 1 < n {
            below[i] = reduced[(i + 1, i)];
        }
    }
    let mut values = Diag::<f64>::zeros(n);
    let mut vectors = Mat::<f64>::zeros(n, n);
    tridiagonal_self_adjoint_evd(
        diagonal.as_ref(),
        below.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        stack,
        Default::default(),
    )
    .map_err(|e| {
        Error::new(
            ErrorKind::NotConverged,
            format!("eigenvalues: the iteration did not end: {e:?}"),
        )
    })?;
    // Ascending in faer. Only the vectors that are asked for are turned back.
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        reduced.as_ref().submatrix(1, 0, n - 1, n - 1),
        reflections.as_ref(),
        Conj::No,
        vectors.as_mut().submatrix_mut(1, n - k, n - 1, k),
        Par::Seq,
        stack,
    );
    let values = values.column_vector();
    let columns = (n - k..n).rev();
    let mut result = Eigen {
        values: columns.clone().map(|j| values[j]).collect(),
        vectors: Vec::with_capacity(n * k),
    };
    for j in columns {
        result.vectors.extend((0..n).map(|i| vectors[(i, j)]));
    }
    Ok(result)
}

/// Products of all rows of `a` with all rows of `b` (each of `d` numbers), row-major into `out`.
///
/// # Panics
/// When `out` has not one place for each pair of rows.
pub fn products(a: &[f64], b: &[f64], d: usize, out: &mut [f64]) {
    let (m, n) = (a.len() / d, b.len() / d);
    assert!(out.len() == m * n, "{m} x {n} products in {}", out.len());
    faer::linalg::matmul::matmul(
        faer::MatMut::from_row_major_slice_mut(out, m, n),
        faer::Accum::Replace,
        MatRef::from_row_major_slice(a, m, d),
        MatRef::from_row_major_slice(b, n, d).transpose(),
        1.0,
        Par::Seq,
    );
}

/// Row-major `m x d` times row-major `d x n`: added to `out` after multiplication with `factor`.
///
/// # Panics
/// When the shapes do not fit each other.
pub fn add_product(out: &mut [f64], a: &[f64], b: &[f64], n: usize, factor: f64) {
    let m = out.len() / n;
    let d = b.len() / n;
    assert!(a.len() == m * d, "{m} x {d} numbers in {}", a.len());
    faer::linalg::matmul::matmul(
        faer::MatMut::from_row_major_slice_mut(out, m, n),
        faer::Accum::Add,
        MatRef::from_row_major_slice(a, m, d),
        MatRef::from_row_major_slice(b, d, n),
        factor,
        Par::Seq,
    );
}

/// Share of a row's length that may be left outside of what is known when the row counts as spanned by it.
const SPANNED: f64 = 1e-10;
/// Share of a row that a second round leaves; less when the first has left rounding errors alone.
const KEPT: f64 = 0.5;

/// Makes the rows of `a` (each of `n`) orthonormal, in order, and orthogonal to those of `basis`, which are orthonormal or
/// zero; a row that the basis and the rows before it span becomes zero.
///
/// # Cost
/// 8 n flops for every pair of a row and a row of the basis: Gram and Schmidt, twice, which is as good as reflections.
pub fn extend_basis(basis: &[f64], a: &mut [f64], n: usize) {
    let dot = super::small::dot;
    let length = |row: &[f64]| dot(row, row).sqrt();
    let (rows, known) = (a.len() / n, basis.len() / n);
    let mut least: Vec<f64> = a.chunks_exact(n).map(|row| SPANNED * length(row)).collect();
    let mut shares = vec![0.0; rows * known];
    for _ in 0..2 {
        if known > 0 {
            products(a, basis, n, &mut shares);
            add_product(a, &shares, basis, n, -1.0);
        }
        for (row, least) in least.iter_mut().enumerate() {
            let (before, rest) = a.split_at_mut(row * n);
            let own = &mut rest[..n];
            for other in before.chunks_exact(n) {
                let share = dot(other, own);
                own.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
            }
            let left = length(own);
            let scale = if left > *least { 1.0 / left } else { 0.0 };
            own.iter_mut().for_each(|x| *x *= scale);
            *least = KEPT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(n: usize) -> Vec<f64> {
        let mut stream = crate::par::rng::stream(1, "dense", n as u64);
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let v = stream.normal();
                a[i * n + j] = v;
                a[j * n + i] = v;
            }
        }
        a
    }

    #[test]
    fn vectors_satisfy_their_equation() {
        for n in [1, 2, 7, 60, 130] {
            let a = symmetric(n);
            let k = n.min(5);
            let eigen = largest_eigen(&a, n, k).expect("solved");
            assert!(eigen.values.windows(2).all(|pair| pair[0] >= pair[1]));
            for j in 0..k {
                let v = &eigen.vectors[j * n..(j + 1) * n];
                for i in 0..n {
                    let product: f64 = (0..n).map(|l| a[i * n + l] * v[l]).sum();
                    assert!((product - eigen.values[j] * v[i]).abs() < 1e-12 * n as f64);
                }
                let length: f64 = v.iter().map(|x| x * x).sum();
                assert!((length - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_basis_is_extended_by_what_it_does_not_span() {
        let n = 9;
        let mut stream = crate::par::rng::stream(2, "basis", 0);
        let mut basis: Vec<f64> = (0..4 * n).map(|_| stream.normal()).collect();
        extend_basis(&[], &mut basis, n);
        // A row inside of the span, one outside, and one that both span.
        let outside: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mut more: Vec<f64> = (0..n).map(|i| 2.0 * basis[i] - basis[n + i]).collect();
        more.extend(&outside);
        more.extend((0..n).map(|i| outside[i] + 3.0 * basis[2 * n + i]));
        extend_basis(&basis, &mut more, n);
        assert_eq!(more[..n], vec![0.0; n]);
        assert_eq!(more[2 * n..], vec![0.0; n]);
        basis.extend(&more[n..2 * n]);
        let mut gram = vec![0.0; 25];
        products(&basis, &basis, n, &mut gram);
        for (at, value) in gram.iter().enumerate() {
            let expected = f64::from(u8::from(at % 6 == 0));
            assert!((value - expected).abs() < 1e-14, "{at}: {value}");
        }
        // A basis of the whole space leaves nothing.
        let mut rest: Vec<f64> = (0..9 * n).map(|_| stream.normal()).collect();
        extend_basis(&basis, &mut rest, n);
        let n_more = rest
            .chunks_exact(n)
            .filter(|row| row.iter().any(|&v| v != 0.0));
        assert_eq!(n_more.count(), n - 5);
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        assert!(largest_eigen(&[f64::NAN], 1, 1).is_err());
    }

    #[test]
    fn rows_become_orthonormal_and_spanned_rows_vanish() {
        let mut a = vec![3.0, 4.0, 0.0, 6.0, 8.0, 0.0, 1.0, 0.0, 2.0];
        extend_basis(&[], &mut a, 3);
        assert_eq!(a[3..6], [0.0; 3]);
        let dot: f64 = (0..3).map(|i| a[i] * a[6 + i]).sum();
        assert!(dot.abs() < 1e-15 && (a[0] - 0.6).abs() < 1e-15);
    }
}
