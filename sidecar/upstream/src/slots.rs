//! How many mails of an identity may be under way, changeable at any time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A counted number of places.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Semaphore,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    places: usize,
    /// Places that are taken and vanish when they are given back.
    surplus: usize,
}

/// A place, given back when dropped.
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
}

impl Slots {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            free: Semaphore::new(places),
            size: Mutex::new(Size { places, surplus: 0 }),
        }
    }

    /// Waits for a place, first come, first served.
    pub(crate) async fn take(&self) -> Slot<'_> {
        // The semaphore is never closed.
        let permit = self.free.acquire().await.ok();
        Slot {
            slots: self,
            permit,
        }
    }

    /// Changes the number of places. Those that are taken stay so.
    pub(crate) fn resize(&self, places: usize) {
        let mut size = self.lock();
        if places >= size.places {
            let more = places - size.places;
            let kept = more.min(size.surplus);
            size.surplus -= kept;
            self.free.add_permits(more - kept);
        } else {
            let fewer = size.places - places;
            size.surplus += fewer - self.free.forget_permits(fewer);
        }
        size.places = places;
    }

    /// How many places there are; more may be taken for a while after a resize.
    pub(crate) fn places(&self) -> usize {
        self.lock().places
    }

    fn lock(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut size = self.slots.lock();
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fewer_places_take_effect_as_they_are_given_back() {
        let slots = Slots::new(3);
        let taken = [slots.take().await, slots.take().await, slots.take().await];
        slots.resize(1);
        assert_eq!((slots.places(), slots.lock().surplus), (1, 2));
        drop(taken);
        assert_eq!((slots.places(), slots.lock().surplus), (1, 0));
        assert_eq!(slots.free.available_permits(), 1);
        slots.resize(4);
        assert_eq!(slots.free.available_permits(), 4);
    }

    #[tokio::test]
    async fn more_places_first_cancel_what_was_to_vanish() {
        let slots = Slots::new(2);
        let taken = [slots.take().await, slots.take().await];
        slots.resize(1);
        slots.resize(3);
        assert_eq!(slots.free.available_permits(), 1);
        drop(taken);
        assert_eq!(slots.free.available_permits(), 3);
    }
}
