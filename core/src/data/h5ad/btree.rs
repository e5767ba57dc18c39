//! The list of a dataset's chunks, read from the file's own index.
//!
//! The HDF5 library (before 1.14) can only be asked for chunk number i, and walks over i chunks to
//! find it: 30,000 chunks cost ten seconds. The usual index, a version 1 B-tree, is a page of code
//! to read. Whatever is not of that kind gives `None`, and the caller asks the library.
//!
//! Source: the HDF5 file format specification, object headers (IV.A), data layout message
//! (IV.A.2.i), version 1 B-trees (III.A.1). Addresses and lengths are eight bytes here.

use std::fs::File;
use std::os::unix::fs::FileExt;

const CONTINUATION: u16 = 0x10;
const LAYOUT: u16 = 0x08;
/// A tree is never deeper, a header never has more blocks or messages.
const MOST_LEVELS: u8 = 16;
const MOST_BLOCKS: usize = 64;
const LARGEST_BLOCK: u64 = 1 << 20;

/// A chunk as its index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub address: u64,
    pub size: u64,
    pub skipped: u32,
    /// First element along each axis.
    pub offset: Vec<u64>,
}

/// The chunks of the dataset whose object header is at `header`; `n_axes` axes.
pub(super) fn list(file: &File, header: u64, n_axes: usize, n_chunks: usize) -> Option<Vec<Entry>> {
    let root = find_root(file, header, n_axes)?;
    let mut tree = Tree {
        file,
        n_axes,
        most: n_chunks,
        entries: Vec::with_capacity(n_chunks.min(1 << 20)),
    };
    tree.visit(root, None)?;
    (tree.entries.len() == n_chunks).then_some(tree.entries)
}

/// The address inside the library's opaque token. Its number is private but printed: one address,
/// or (since 1.12) sixteen bytes.
pub(super) fn header_address(dataset: &hdf5::Dataset) -> Option<u64> {
    let text = format!("{:?}", dataset.loc_info().ok()?.token);
    let inside = text.split_once("LocationToken(")?.1;
    let list = inside.split_once('[').map_or(inside, |(_, list)| list);
    let numbers: Vec<u64> = list
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [address] => Some(address),
        [a, b, c, d, e, f, g, h, ..] if numbers.len() == 16 => {
            let bytes = [a, b, c, d, e, f, g, h].map(|byte| byte as u8);
            Some(u64::from_le_bytes(bytes))
        }
        _ => None,
    }
}

fn read(file: &File, at: u64, length: u64) -> Option<Vec<u8>> {
    if length > LARGEST_BLOCK {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The root of the chunk index, from the layout message of an object header.
fn find_root(file: &File, header: u64, n_axes: usize) -> Option<u64> {
    let head = read(file, header, 16)?;
    if &head[..4] == b"OHDR" {
        return find_root_v2(file, header, n_axes);
    }
    if head[0] != 1 {
        return None;
    }
    let mut blocks = vec![(header + 16, u64::from(u32_at(&head, 8)?))];
    let mut next = 0;
    while let Some(&(at, length)) = blocks.get(next) {
        next += 1;
        let block = read(file, at, length)?;
        let mut place = 0;
        while let (Some(kind), Some(size)) = (u16_at(&block, place), u16_at(&block, place + 2)) {
            let data = block.get(place + 8..place + 8 + usize::from(size))?;
            match kind {
                LAYOUT => return root_of_layout(data, n_axes),
                CONTINUATION if blocks.len() < MOST_BLOCKS => {
                    blocks.push((u64_at(data, 0)?, u64_at(data, 8)?));
                }
                _ => {}
            }
            place += 8 + usize::from(size);
        }
    }
    None
}

fn find_root_v2(file: &File, header: u64, n_axes: usize) -> Option<u64> {
    let head = read(file, header, 6)?;
    let flags = head[5];
    let mut at = header + 6;
    at += if flags & 0x20 != 0 { 16 } else { 0 };
    at += if flags & 0x10 != 0 { 4 } else { 0 };
    let width = 1_u64 << (flags & 3);
    let mut size = [0; 8];
    size[..width as usize].copy_from_slice(&read(file, at, width)?);
    let message_head = if flags & 4 != 0 { 6 } else { 4 };
    let mut blocks = vec![(at + width, u64::from_le_bytes(size))];
    let mut next = 0;
    while let Some(&(at, length)) = blocks.get(next) {
        next += 1;
        let block = read(file, at, length)?;
        let mut place = 0;
        while let Some(size) = u16_at(&block, place + 1) {
            let start = place + message_head;
            let Some(data) = block.get(start..start + usize::from(size)) else {
                break;
            };
            match u16::from(block[place]) {
                LAYOUT => return root_of_layout(data, n_axes),
                // A further block has a signature before its messages and a checksum behind.
                CONTINUATION if blocks.len() < MOST_BLOCKS => {
                    let length = u64_at(data, 8)?.checked_sub(8)?;
                    blocks.push((u64_at(data, 0)?.checked_add(4)?, length));
                }
                _ => {}
            }
            place = start + usize::from(size);
        }
    }
    None
}

/// Version 3, chunked: number of axes with one for the element, address of the tree.
fn root_of_layout(data: &[u8], n_axes: usize) -> Option<u64> {
    let is_tree = data.first() == Some(&3) && data.get(1) == Some(&2);
    (is_tree && usize::from(*data.get(2)?) == n_axes + 1).then(|| u64_at(data, 3))?
}

struct Tree<'a> {
    file: &'a File,
    n_axes: usize,
    most: usize,
    entries: Vec<Entry>,
}

impl Tree<'_> {
    /// Visits a node and what is below; `level` is what its parent expects.
    fn visit(&mut self, at: u64, level: Option<u8>) -> Option<()> {
        let head = read(self.file, at, 24)?;
        let (kind, own_level) = (head[4], head[5]);
        let expected = level.is_none_or(|l| l == own_level);
        if &head[..4] != b"TREE" || kind != 1 || !expected || own_level > MOST_LEVELS {
            return None;
        }
        let n = usize::from(u16_at(&head, 6)?);
        let key = 8 + 8 * (self.n_axes + 1);
        let node = read(self.file, at + 24, (n * (key + 8)) as u64)?;
        for entry in node.chunks_exact(key + 8) {
            let child = u64_at(entry, key)?;
            if own_level > 0 {
                self.visit(child, Some(own_level - 1))?;
                continue;
            }
            if self.entries.len() == self.most {
                return None;
            }
            self.entries.push(Entry {
                address: child,
                size: u64::from(u32_at(entry, 0)?),
                skipped: u32_at(entry, 4)?,
                offset: (0..self.n_axes)
                    .map(|axis| u64_at(entry, 8 + 8 * axis))
                    .collect::<Option<_>>()?,
            });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdf5::file::LibraryVersion;

    /// The tree says what the library says, chunk by chunk.
    #[test]
    fn the_index_agrees_with_the_library() {
        let folder = tempfile::tempdir().expect("folder");
        for (low, high, reads) in [
            (LibraryVersion::Earliest, LibraryVersion::latest(), true),
            (LibraryVersion::V18, LibraryVersion::V18, true),
            (LibraryVersion::V110, LibraryVersion::V110, false),
        ] {
            let path = folder.path().join("a.h5");
            let file = hdf5::File::with_options()
                .with_fapl(|p| p.libver_bounds(low, high))
                .create(&path)
                .expect("created");
            let values: Vec<i32> = (0..40_000).map(|i| i % 77).collect();
            let vector = file
                .new_dataset_builder()
                .deflate(3)
                .chunk(13)
                .with_data(&values)
                .create("vector")
                .expect("written");
            let square = ndarray::Array2::from_shape_vec((200, 200), values).expect("fits");
            let matrix = file
                .new_dataset_builder()
                .chunk((7, 90))
                .with_data(&square)
                .create("matrix")
                .expect("written");
            for i in 0..40 {
                // Many attributes make the header continue elsewhere.
                let name = format!("attribute {i}");
                vector
                    .new_attr::<f64>()
                    .create(name.as_str())
                    .expect("made");
            }
            file.flush().expect("flushed");
            let plain = File::open(&path).expect("opened");
            for dataset in [vector, matrix] {
                let n = dataset.num_chunks().expect("chunked");
                let header = header_address(&dataset).expect("printed");
                let Some(mut entries) = list(&plain, header, dataset.ndim(), n) else {
                    assert!(!reads, "{:?}", dataset.name());
                    continue;
                };
                assert!(reads);
                entries.sort_by_key(|e| e.address);
                let mut theirs: Vec<Entry> = (0..n)
                    .map(|i| dataset.chunk_info(i).expect("listed"))
                    .map(|c| Entry {
                        address: c.addr,
                        size: c.size,
                        skipped: c.filter_mask,
                        offset: c.offset.to_vec(),
                    })
                    .collect();
                theirs.sort_by_key(|e| e.address);
                assert_eq!(entries, theirs);
            }
        }
    }
}
