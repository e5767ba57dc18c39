//! Results of a shard as bytes: what travels between machines and what a killed run resumes from.
//!
//! Layout: magic, version, parameter hash, range, mode, then the columns, then CRC32C; all
//! little-endian. Bytes of another run, another version or with a flipped bit are refused.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

use super::config::Mode;
use super::results::PixelColumns;

const MAGIC: [u8; 8] = *b"CYTORCTD";
const VERSION: u32 = 1;

/// Fits of one shard of the kept pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    pub(crate) hash: u64,
    pub(crate) mode: Mode,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) n_types: u32,
    pub(crate) columns: PixelColumns,
}

impl Partial {
    /// Positions in the list of kept pixels.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// Mode of the fits.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Hash of inputs and options of the run it belongs to; see `Rctd::parameter_hash`.
    pub fn parameter_hash(&self) -> u64 {
        self.hash
    }

    /// The fits.
    pub fn columns(&self) -> &PixelColumns {
        &self.columns
    }

    /// Serialises; the same partial always gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        let mut bytes =
            postcard::to_extend(self, bytes).expect("writing plain columns to memory cannot fail");
        let sum = crc32c::crc32c(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// Reads what [`Partial::to_bytes`] wrote.
    ///
    /// # Errors
    /// `UnsupportedFormat` for bytes that are damaged, incomplete or not of this kind;
    /// `CheckpointMismatch` for those of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| {
            Error::new(
                ErrorKind::UnsupportedFormat,
                format!("partial result: {what}; it must be the bytes of a finished shard"),
            )
        };
        let head = MAGIC.len() + 4;
        if bytes.len() < head + 4 || bytes[..MAGIC.len()] != MAGIC {
            return Err(damaged("these are not the bytes of an RCTD shard"));
        }
        let (body, sum) = bytes.split_at(bytes.len() - 4);
        if crc32c::crc32c(body).to_le_bytes() != sum {
            return Err(damaged(
                "the checksum does not match, so the bytes are damaged or cut off",
            ));
        }
        let version = &body[MAGIC.len()..head];
        if version != VERSION.to_le_bytes() {
            return Err(Error::new(
                ErrorKind::CheckpointMismatch,
                "partial result: written by another version; run the shard again",
            ));
        }
        let partial: Partial =
            postcard::from_bytes(&body[head..]).map_err(|e| damaged(&e.to_string()))?;
        let n = partial.end.checked_sub(partial.start);
        let whole = n.is_some_and(|n| {
            partial
                .columns
                .is_whole(n as usize, partial.n_types as usize)
        });
        if whole {
            Ok(partial)
        } else {
            Err(damaged("columns of unequal length"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial() -> Partial {
        Partial {
            hash: 7,
            mode: Mode::Full,
            start: 3,
            end: 5,
            n_types: 2,
            columns: PixelColumns {
                weights: vec![0.25, 0.5, f64::MIN_POSITIVE, 1.0],
                converged: vec![true, false],
                ..PixelColumns::default()
            },
        }
    }

    #[test]
    fn bytes_round_trip() {
        let bytes = partial().to_bytes();
        assert_eq!(Partial::from_bytes(&bytes).expect("whole"), partial());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let bytes = partial().to_bytes();
        for length in 0..bytes.len() {
            assert!(Partial::from_bytes(&bytes[..length]).is_err());
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert!(Partial::from_bytes(&damaged).is_err());
        }
    }

    #[test]
    fn ragged_lies_are_refused() {
        let mut wrong = partial();
        wrong.columns.converged.pop();
        assert!(Partial::from_bytes(&wrong.to_bytes()).is_err());
    }
}
