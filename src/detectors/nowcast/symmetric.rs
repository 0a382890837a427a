//! Symmetric positive definite matrices: factor, solve, invert.
//!
//! Promises: `None` where a matrix is not positive definite or not finite.

/// A square matrix, row after row; of a symmetric one the lower half counts.
#[derive(Clone, Debug)]
pub struct Symmetric {
    pub size: usize,
    values: Vec<f64>,
}

impl Symmetric {
    pub fn zero(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.max(column), row.min(column));
        self.values[row * self.size + column]
    }

    /// Adds to an element and to its mirror image.
    pub fn add(&mut self, row: usize, column: usize, value: f64) {
        let (row, column) = (row.max(column), row.min(column));
        self.values[row * self.size + column] += value;
    }

    /// Cholesky's factor, in the lower half.
    fn factor(mut self) -> Option<Self> {
        let n = self.size;
        for row in 0..n {
            let (above, rest) = self.values.split_at_mut(row * n);
            let this = &mut rest[..n];
            for column in 0..row {
                let other = &above[column * n..column * n + column + 1];
                this[column] = (this[column] - product(&this[..column], &other[..column])) / other[column];
            }
            let pivot = this[row] - product(&this[..row], &this[..row]);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            this[row] = pivot.sqrt();
        }
        Some(self)
    }

    /// The inverse.
    pub fn inverse(self) -> Option<Self> {
        let n = self.size;
        let factor = self.factor()?;
        // Columns of the factor's inverse as rows: element (column, row), zero before the diagonal.
        let mut turned = vec![0.0; n * n];
        for column in 0..n {
            let inverse = &mut turned[column * n..(column + 1) * n];
            inverse[column] = 1.0 / factor.values[column * n + column];
            for row in column + 1..n {
                let line = &factor.values[row * n..row * n + row];
                inverse[row] = -product(&line[column..], &inverse[column..row]) / factor.values[row * n + row];
            }
        }
        let mut found = Self::zero(n);
        for row in 0..n {
            for column in 0..=row {
                let (one, other) = (&turned[row * n + row..(row + 1) * n], &turned[column * n + row..(column + 1) * n]);
                found.values[row * n + column] = product(one, other);
            }
        }
        Some(found)
    }

    /// Matrix times vector.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.size)
            .map(|row| vector.iter().enumerate().map(|(column, value)| self.at(row, column) * value).sum())
            .collect()
    }
}

/// Σ of products, in eight sums that a processor adds at once; always in the same order.
fn product(one: &[f64], other: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (ones, others) in ones.zip(others) {
        for (sum, (a, b)) in sums.iter_mut().zip(ones.iter().zip(others)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let mut matrix = Symmetric::zero(3);
        for (row, column, value) in [(0, 0, 4.0), (1, 0, 1.0), (1, 1, 3.0), (0, 2, -1.0), (2, 1, 0.5), (2, 2, 2.0)] {
            matrix.add(row, column, value);
        }
        let inverse = matrix.clone().inverse().unwrap();
        for column in 0..3 {
            let unit: Vec<f64> = (0..3).map(|row| inverse.at(row, column)).collect();
            for (row, value) in matrix.times(&unit).into_iter().enumerate() {
                assert!((value - f64::from(u8::from(row == column))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_inverse() {
        let mut matrix = Symmetric::zero(2);
        assert!(matrix.clone().inverse().is_none());
        matrix.add(0, 0, 1.0);
        matrix.add(1, 1, f64::NAN);
        assert!(matrix.inverse().is_none());
    }
}
