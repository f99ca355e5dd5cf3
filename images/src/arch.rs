//! The machines that images are for.

use std::fmt;
use std::str::FromStr;

/// A machine, by its name in images and in Kubernetes (`kubernetes.io/arch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64 bit x86.
    Amd64,
    /// 64 bit ARM.
    Arm64,
}

/// Not the name of an [`Arch`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no architecture of ours: give amd64 or arm64")]
pub struct UnknownArch(String);

impl Arch {
    /// The machine that this program was built for.
    pub const fn host() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// Its name, as in `linux/amd64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Its name at Rust's compiler.
    pub const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        [Self::Amd64, Self::Arm64]
            .into_iter()
            .find(|arch| arch.name() == name)
            .ok_or_else(|| UnknownArch(name.to_owned()))
    }
}
