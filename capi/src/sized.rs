//! Structs that begin with `size_t struct_size`: how old hosts meet new libraries and the reverse.
//!
//! A shorter struct of an earlier release leaves the later fields at their defaults; a longer one
//! of a later release is accepted while what this library does not know is all zero.

use engine::Error;

use crate::error::Failure;

/// A struct of the ABI whose first field is its own size.
///
/// # Safety
/// `#[repr(C)]`, plain data for which every bit pattern is valid, first field `struct_size: usize`.
pub(crate) unsafe trait Sized_: Copy {
    /// Its name in the header.
    const NAME: &'static str;
    /// The macro that fills it.
    const INIT: &'static str;
    /// Its size in the first release that had it.
    const FIRST_SIZE: usize;
    /// What `INIT` fills in.
    fn init() -> Self;
}

/// Copies the caller's struct, with defaults for fields that it does not have yet.
///
/// # Safety
/// `given` is NULL or points to `struct_size` readable bytes that begin with `struct_size`.
pub(crate) unsafe fn read<T: Sized_>(argument: &str, given: *const T) -> Result<T, Failure> {
    if given.is_null() {
        return Err(Error::argument(argument, format!("NULL; must be a {}", T::NAME)).into());
    }
    if !given.is_aligned() {
        return Err(Error::argument(argument, "misaligned").into());
    }
    // SAFETY: the caller promises that at least the size can be read.
    let size = unsafe { given.cast::<usize>().read() };
    if size < T::FIRST_SIZE {
        return Err(Error::argument(
            argument,
            format!(
                "struct_size: {size} is too small for {}; must be at least {} (set it with {})",
                T::NAME,
                T::FIRST_SIZE,
                T::INIT
            ),
        )
        .into());
    }
    let own = size_of::<T>();
    if size > own {
        if size > own + MOST_TAIL {
            return Err(Failure::abi(argument, too_new::<T>(size)));
        }
        // SAFETY: the caller promises `size` readable bytes.
        let tail = unsafe { std::slice::from_raw_parts(given.cast::<u8>().add(own), size - own) };
        if tail.iter().any(|&b| b != 0) {
            return Err(Failure::abi(argument, too_new::<T>(size)));
        }
    }
    let mut value = T::init();
    // SAFETY: both hold at least `min(size, own)` bytes, and any bytes are a valid `T`.
    unsafe {
        std::ptr::copy_nonoverlapping(
            given.cast::<u8>(),
            std::ptr::from_mut(&mut value).cast::<u8>(),
            size.min(own),
        );
    }
    Ok(value)
}

/// Copies as much of `value` as the caller's struct holds.
///
/// # Safety
/// `out` was read by [`read`] and can be written to.
pub(crate) unsafe fn write<T: Sized_>(out: *mut T, value: &T) {
    // SAFETY: promised by the caller.
    unsafe {
        let size = out.cast::<usize>().read().min(size_of::<T>());
        std::ptr::copy_nonoverlapping(
            std::ptr::from_ref(value).cast::<u8>(),
            out.cast::<u8>(),
            size,
        );
    }
}

/// No struct of this ABI will ever grow by this much: a larger size is garbage, not a later release.
const MOST_TAIL: usize = 4096;

fn too_new<T: Sized_>(size: usize) -> String {
    format!(
        "struct_size: {size} bytes for a {} of which this library knows {}, and the rest is not \
         zero: the host was built for a later version",
        T::NAME,
        size_of::<T>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::cyto_status;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        struct_size: usize,
        old: u64,
        added: u64,
    }

    // SAFETY: plain data, size first.
    unsafe impl Sized_ for Grown {
        const NAME: &'static str = "grown";
        const INIT: &'static str = "GROWN_INIT";
        const FIRST_SIZE: usize = 16;
        fn init() -> Self {
            Grown {
                struct_size: size_of::<Self>(),
                old: 1,
                added: 2,
            }
        }
    }

    fn read_words(words: &[u64]) -> Result<Grown, Failure> {
        // SAFETY: the tests give as many words as the size says, or a refused size.
        unsafe { read("options", words.as_ptr().cast::<Grown>()) }
    }

    #[test]
    fn sizes_follow_the_rules() {
        for size in [0, 1, 8, 15] {
            let failure = read_words(&[size, 5]).err().expect("too small");
            assert_eq!(failure.status, cyto_status::CYTO_INVALID_ARGUMENT);
            assert!(failure.error.message().contains("GROWN_INIT"));
        }
        let old = read_words(&[16, 5]).ok().expect("first release");
        assert_eq!((old.old, old.added), (5, 2));
        let own = read_words(&[24, 5, 6]).ok().expect("own");
        assert_eq!((own.old, own.added), (5, 6));
        let later = read_words(&[40, 5, 6, 0, 0]).ok().expect("zero tail");
        assert_eq!(later.added, 6);
        let failure = read_words(&[40, 5, 6, 0, 1]).err().expect("unknown field");
        assert_eq!(failure.status, cyto_status::CYTO_ABI_MISMATCH);
        let failure = read_words(&[u64::MAX, 5, 6]).err().expect("garbage");
        assert_eq!(failure.status, cyto_status::CYTO_ABI_MISMATCH);
        // SAFETY: NULL is refused.
        assert!(unsafe { read::<Grown>("options", std::ptr::null()) }.is_err());
    }
}
