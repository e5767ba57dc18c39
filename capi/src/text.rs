//! Strings across the border: checked on the way in, NUL-terminated on the way out.

use std::ffi::{CStr, CString, c_char};

use engine::{Error, Result};
use safer_ffi::prelude::char_p;
use serde_json::{Map, Value};

/// A string of the caller: bytes up to NUL. `cyto_str` in the header.
pub type CytoStr<'a> = Option<char_p::Ref<'a>>;

/// A C string; NUL bytes inside become U+FFFD.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text)
        .or_else(|_| CString::new(text.replace('\0', "\u{fffd}")))
        .expect("no NUL is left")
}

/// The caller's string as bytes.
pub(crate) fn bytes<'a>(argument: &str, text: CytoStr<'a>) -> Result<&'a [u8]> {
    text.map(char_p::Ref::to_bytes)
        .ok_or_else(|| Error::argument(argument, "NULL; must be a string"))
}

/// The caller's string, which must be UTF-8.
pub(crate) fn utf8<'a>(argument: &str, text: CytoStr<'a>) -> Result<&'a str> {
    check_utf8(argument, bytes(argument, text)?)
}

/// Options of a call: a JSON object; NULL is an empty one. `example` is shown where it is something else.
pub(crate) fn options(json: CytoStr<'_>, example: &str) -> Result<Map<String, Value>> {
    if json.is_none() {
        return Ok(Map::new());
    }
    match serde_json::from_str(utf8("options", json)?) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err(Error::argument(
            "options",
            format!("must be a JSON object, such as {example}, or NULL"),
        )),
        Err(e) => Err(Error::argument("options", format!("not valid JSON: {e}"))),
    }
}

fn check_utf8<'a>(argument: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        Error::argument(
            argument,
            format!(
                "{:?} is not UTF-8 at byte {}",
                String::from_utf8_lossy(bytes),
                e.valid_up_to()
            ),
        )
    })
}

/// The caller's path. On Unix its bytes are kept as they are.
pub(crate) fn path<'a>(argument: &str, text: CytoStr<'a>) -> Result<std::path::PathBuf> {
    let bytes = bytes(argument, text)?;
    if bytes.is_empty() {
        return Err(Error::argument(argument, "\"\" is not a path"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(std::ffi::OsStr::from_bytes(bytes).into())
    }
    #[cfg(not(unix))]
    {
        Ok(check_utf8(argument, bytes)?.into())
    }
}

/// An optional string field of a struct: NULL is `None`.
///
/// # Safety
/// `text` is NULL or points to a string that ends with NUL.
pub(crate) unsafe fn optional(argument: &str, text: *const c_char) -> Result<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    check_utf8(argument, bytes).map(|s| Some(s.to_owned()))
}

/// A string field of a struct, as a string argument.
///
/// # Safety
/// `text` is NULL or points to a string that ends with NUL and lives during `'a`.
pub(crate) unsafe fn borrowed<'a>(text: &'a *const c_char) -> CytoStr<'a> {
    let text = std::ptr::NonNull::new(text.cast_mut())?;
    // SAFETY: promised by the caller. `to_bytes` is all that is used of it: UTF-8 is checked later.
    Some(unsafe { char_p::Ref::from_ptr_unchecked(text.cast()) })
}

/// `n` strings of the caller.
///
/// # Safety
/// `texts` is NULL or points to `n` pointers, each NULL or a string that ends with NUL.
pub(crate) unsafe fn list(
    argument: &str,
    texts: *const *const c_char,
    n: usize,
) -> Result<Vec<String>> {
    // SAFETY: promised by the caller.
    let pointers = unsafe { slice(argument, texts, n) }?;
    let mut strings = Vec::with_capacity(n);
    for (i, &text) in pointers.iter().enumerate() {
        // SAFETY: promised by the caller.
        let string = unsafe { optional(&format!("{argument}[{i}]"), text) }?;
        strings.push(string.ok_or_else(|| {
            Error::argument(format!("{argument}[{i}]"), "NULL; must be a string")
        })?);
    }
    Ok(strings)
}

/// `n` elements of the caller; NULL is allowed only for none.
///
/// # Safety
/// `data` is NULL or points to `n` readable elements that live and stay unchanged during `'a`.
pub(crate) unsafe fn slice<'a, T>(argument: &str, data: *const T, n: usize) -> Result<&'a [T]> {
    if n == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Error::argument(
            argument,
            format!("NULL; must hold {n} elements"),
        ));
    }
    if !data.is_aligned() || n > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::argument(
            argument,
            format!("{n} elements at {data:p}: misaligned or too many"),
        ));
    }
    // SAFETY: not NULL, aligned, of a possible size; the rest is promised by the caller.
    Ok(unsafe { std::slice::from_raw_parts(data, n) })
}

/// Strings on their way out: an array of pointers that lives as long as its owner.
pub(crate) struct StringList {
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into the strings beside them, which nothing changes.
unsafe impl Send for StringList {}
// SAFETY: as above.
unsafe impl Sync for StringList {}

impl StringList {
    pub(crate) fn new<S: AsRef<str>>(strings: &[S]) -> Self {
        let strings: Vec<CString> = strings.iter().map(|s| c_string(s.as_ref())).collect();
        let pointers = strings.iter().map(|s| s.as_ptr()).collect();
        StringList {
            _strings: strings,
            pointers,
        }
    }

    pub(crate) fn pointers(&self) -> &[*const c_char] {
        &self.pointers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_checked_on_the_way_in() {
        let broken = [b'a' as c_char, -1, 0];
        // SAFETY: ends with NUL.
        let error = unsafe { optional("name", broken.as_ptr()) }.expect_err("not UTF-8");
        assert!(error.message().starts_with("name: "), "{error}");
        assert!(error.message().contains("byte 1"), "{error}");
        let texts = [c"x".as_ptr(), std::ptr::null()];
        // SAFETY: two pointers, the second NULL.
        let error = unsafe { list("genes", texts.as_ptr(), 2) }.expect_err("NULL");
        assert_eq!(error.argument_name(), Some("genes[1]"));
        // SAFETY: NULL is refused before it is read.
        assert!(unsafe { slice("values", std::ptr::null::<f64>(), 3) }.is_err());
        // SAFETY: none is asked for.
        let none = unsafe { slice("values", std::ptr::null::<f64>(), 0) };
        assert!(none.expect("none asked").is_empty());
    }

    #[test]
    fn misaligned_arrays_are_refused() {
        let bytes = [0_u64; 4];
        let odd = bytes.as_ptr().cast::<u8>().wrapping_add(1).cast::<f64>();
        // SAFETY: refused before it is read.
        assert!(unsafe { slice("values", odd, 2) }.is_err());
    }

    #[test]
    fn lists_survive_a_move() {
        let list = StringList::new(&["a", "", "\u{e9}"]);
        let moved = Box::new(list);
        // SAFETY: the list is alive.
        let text = unsafe { CStr::from_ptr(moved.pointers()[2]) };
        assert_eq!(text.to_str(), Ok("\u{e9}"));
    }
}
