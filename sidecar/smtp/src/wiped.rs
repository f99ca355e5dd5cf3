//! Memory for what may be a password.

use std::ops::Deref;

/// Bytes that are overwritten when they are dropped.
///
/// The aim is that a password of the app does not outlive its use. It is as good as safe code can
/// do; copies in the buffers of the kernel are out of reach.
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites bytes in a way that is not optimised out although nobody reads them again.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}
