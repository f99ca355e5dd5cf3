//! What is wrong with a document. No variant holds a value of it, only paths and advice.

use thiserror::Error;

/// Why a document was not taken. The text names the JSON path, the problem and what to do, and
/// never a value: a password that stands in the wrong place does not reach a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It is larger than any Secret can be.
    #[error(
        "the document has {size_bytes} bytes, more than {max} are refused; \
         make upstream.trustAnchors and addresses.aliases shorter",
        max = crate::bounds::DOCUMENT_BYTES_MAX
    )]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// It is not JSON.
    #[error("the document is not JSON: {problem} at line {line} column {column}")]
    Syntax {
        /// What the parser met.
        problem: String,
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1.
        column: usize,
    },
    /// It was written for another version of the sidecar.
    #[error(
        "at `version`: {found} is not known; this sidecar reads version {known}: \
         set it, or use the sidecar of the operator's release",
        known = known_versions()
    )]
    UnknownVersion {
        /// The version that the document names.
        found: u64,
    },
    /// A field is missing, of the wrong type or out of its bounds.
    #[error("at `{path}`: {problem}")]
    Field {
        /// JSON path, for example `addresses.aliases[2]`.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl DocumentError {
    pub(crate) fn field(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

fn known_versions() -> String {
    crate::bounds::VERSIONS
        .map(|version| version.to_string())
        .join(", ")
}
