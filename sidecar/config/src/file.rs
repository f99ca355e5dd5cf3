//! Reading a document from disk, into a buffer that is wiped.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::bounds::DOCUMENT_BYTES_MAX;
use crate::document::{Document, Loaded};
use crate::error::DocumentError;

/// Why a file gave no document. The path is the caller's to add.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such file: the identity is not published yet, or it was removed.
    #[error("the identity file is not there")]
    Missing,
    /// The file is there but cannot be read.
    #[error("cannot read the identity file: {0}; it must be readable by the sidecar's user")]
    Unreadable(#[source] io::Error),
    /// The file can be read but holds no good document.
    #[error(transparent)]
    Invalid(#[from] DocumentError),
}

impl Document {
    /// Reads and loads the document in the file at `path`, at most 1 MiB. What was read is wiped
    /// from memory.
    pub fn load_file(path: &Path) -> Result<Loaded, ReadError> {
        Ok(Self::load(&read(path)?)?)
    }
}

/// The bytes of a file of at most 1 MiB, to compare with earlier ones before they are loaded.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let file = File::open(path).map_err(unreadable)?;
    let size_bytes = file.metadata().map_err(unreadable)?.len();
    let size_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    if size_bytes > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge { size_bytes }.into());
    }
    // Room for one byte more than the limit needs no growth: growing would leave copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(size_bytes + 1));
    let limit = content.capacity() as u64;
    file.take(limit)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}

fn unreadable(error: io::Error) -> ReadError {
    match error.kind() {
        ErrorKind::NotFound => ReadError::Missing,
        _ => ReadError::Unreadable(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ReadError, read};
    use crate::document::Document;

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let missing = Document::load_file(Path::new("fixtures/none.json"));
        assert!(matches!(missing, Err(ReadError::Missing)));
        let folder = Document::load_file(Path::new("fixtures"));
        assert!(
            matches!(folder, Err(ReadError::Unreadable(_))),
            "{folder:?}"
        );
    }

    #[test]
    fn reading_leaves_no_copy_of_the_secret_in_a_grown_buffer() {
        let path = Path::new("fixtures/minimal.json");
        let content = read(path).unwrap();
        let size = std::fs::metadata(path).unwrap().len();
        assert_eq!(content.len() as u64, size);
        assert_eq!(content.capacity() as u64, size + 1);
    }
}
