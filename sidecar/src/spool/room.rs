//! Bytes that bodies share, and what one body has of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many bytes for all bodies together.
#[derive(Debug)]
pub(super) struct Room {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Room {
    pub(super) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
        })
    }

    pub(super) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }
}

/// What one body has of a room; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Share {
    /// Nothing yet.
    pub(super) fn of(room: &Arc<Room>) -> Self {
        Self {
            room: room.clone(),
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes so many bytes more, if they are there.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let limit_bytes = self.room.limit_bytes;
        let grown = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes);
        let used = &self.room.used_bytes;
        let is_there = used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_ok();
        if is_there {
            self.bytes += bytes;
        }
        is_there
    }

    pub(super) fn give_back(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.room.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}
