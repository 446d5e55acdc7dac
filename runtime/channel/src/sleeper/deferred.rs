//! Wakers are somebody else's code, which may poll its task at once and come back to whatever called it: who calls some
//! while it holds a lock calls them when it has let go.

use std::{
    cell::RefCell,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// What this thread is to call, and how many guards it has.
#[derive(Default)]
struct Later {
    guards: usize,
    wakers: Vec<Waker>,
}

thread_local! {
    static LATER: RefCell<Later> = RefCell::default();
}

/// Calls a waker: now, or when this thread has no [`Deferred`] guard any more.
pub(super) fn call(waker: Waker) {
    let mut waker = Some(waker);
    let _ = LATER.try_with(|later| {
        let mut later = later.borrow_mut();
        if later.guards > 0 {
            later.wakers.extend(waker.take());
        }
    });
    if let Some(waker) = waker {
        wake(waker);
    }
}

/// A waker that panics is its owner's fault: the thread that calls it has others to call.
fn wake(waker: Waker) {
    // What it unwinds through is nobody's here.
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// A lock's guard; wakers that this thread calls while it lives are called once it is dropped, and the lock free.
///
/// In a thread that ends, after what it had of its own is gone, they are called at once.
pub(crate) struct Deferred<G> {
    guard: ManuallyDrop<G>,
    /// It was counted.
    counts: bool,
}

impl<G> Deferred<G> {
    /// Of a guard that this thread has just got.
    pub fn new(guard: G) -> Self {
        let counts = LATER.try_with(|later| later.borrow_mut().guards += 1).is_ok();
        Self { guard: ManuallyDrop::new(guard), counts }
    }
}

impl<G: Deref> Deref for Deferred<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Deferred<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

impl<G> Drop for Deferred<G> {
    fn drop(&mut self) {
        // SAFETY: once, here, and it is not touched after.
        unsafe { ManuallyDrop::drop(&mut self.guard) };
        if !self.counts {
            return;
        }
        let wakers = LATER.try_with(|later| {
            let mut later = later.borrow_mut();
            later.guards -= 1;
            if later.guards == 0 { std::mem::take(&mut later.wakers) } else { Vec::new() }
        });
        wakers.into_iter().flatten().for_each(wake);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        task::Wake,
    };

    use super::*;

    /// Takes the lock that its caller has.
    struct Comes(Mutex<u32>);

    impl Wake for Comes {
        fn wake(self: Arc<Self>) {
            *self.0.try_lock().expect("the lock is free") += 1;
        }
    }

    #[test]
    fn a_waker_finds_the_lock_free() {
        let comes = Arc::new(Comes(Mutex::new(0)));
        let waker = || Waker::from(Arc::clone(&comes));
        {
            let mut outer = Deferred::new(comes.0.lock().unwrap());
            let other = Mutex::new(());
            drop(Deferred::new(other.lock().unwrap()));
            call(waker());
            *outer += 10;
        }
        assert_eq!(*comes.0.lock().unwrap(), 11);
        call(waker());
        assert_eq!(*comes.0.lock().unwrap(), 12);
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_from_being_called() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("as it was told");
            }
        }
        let comes = Arc::new(Comes(Mutex::new(0)));
        call(Waker::from(Arc::new(Panics)));
        let guard = Deferred::new(());
        call(Waker::from(Arc::new(Panics)));
        call(Waker::from(Arc::clone(&comes)));
        drop(guard);
        assert_eq!(*comes.0.lock().unwrap(), 1);
    }

    /// What a thread has of its own goes in some order when it ends; locks may be taken after this module's is gone.
    #[test]
    fn a_thread_that_ends_may_still_lock_and_call() {
        struct Late(Arc<Comes>);
        impl Drop for Late {
            fn drop(&mut self) {
                let lock = Mutex::new(());
                let guard = Deferred::new(lock.lock().unwrap());
                call(Waker::from(Arc::clone(&self.0)));
                drop(guard);
            }
        }
        thread_local! {
            static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
        }
        let comes = Arc::new(Comes(Mutex::new(0)));
        let late = Late(Arc::clone(&comes));
        std::thread::spawn(move || {
            // First, so that it goes last.
            LATE.with_borrow_mut(|slot| *slot = Some(late));
            drop(Deferred::new(()));
        })
        .join()
        .unwrap();
        assert_eq!(*comes.0.lock().unwrap(), 1);
    }
}
