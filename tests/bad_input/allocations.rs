//! Counts what a thread has allocated, so that a test can say how much memory decoding takes.
//!
//! Promises: counts the calling thread alone; costs two additions an allocation. Never: shipped.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait; this one only counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count(more: isize) {
    // While a thread ends its counters are gone; nobody asks for them then.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + more);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
    if more > 0 {
        let _ = TOTAL.try_with(|total| total.set(total.get() + more.unsigned_abs()));
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise about the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise about place and layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new stand side by side while one is copied to the other.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise about place, layout and size.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread allocated while `work` ran.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// The most that was held at one moment, above what was held before.
    pub peak: usize,
    /// All that was ever asked for.
    pub total: usize,
}

pub fn used<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let (held, total) = (HELD.get(), TOTAL.get());
    PEAK.set(held);
    let done = work();
    (done, Used { peak: (PEAK.get() - held).unsigned_abs(), total: TOTAL.get() - total })
}
