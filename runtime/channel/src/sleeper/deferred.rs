//! Wakers are somebody else's code, which may poll its task at once and come back to whatever called it: who calls some
//! while it holds a lock calls them when it has let go.

use std::{
    cell::RefCell,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
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
    let now = LATER.with_borrow_mut(|later| {
        if later.guards == 0 {
            return Some(waker);
        }
        later.wakers.push(waker);
        None
    });
    if let Some(waker) = now {
        waker.wake();
    }
}

/// A lock's guard; wakers that this thread calls while it lives are called once it is dropped, and the lock free.
pub(crate) struct Deferred<G>(ManuallyDrop<G>);

impl<G> Deferred<G> {
    /// Of a guard that this thread has just got.
    pub fn new(guard: G) -> Self {
        LATER.with_borrow_mut(|later| later.guards += 1);
        Self(ManuallyDrop::new(guard))
    }
}

impl<G: Deref> Deref for Deferred<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.0
    }
}

impl<G: DerefMut> DerefMut for Deferred<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.0
    }
}

impl<G> Drop for Deferred<G> {
    fn drop(&mut self) {
        // SAFETY: once, here, and it is not touched after.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        let wakers = LATER.with_borrow_mut(|later| {
            later.guards -= 1;
            if later.guards == 0 { std::mem::take(&mut later.wakers) } else { Vec::new() }
        });
        wakers.into_iter().for_each(Waker::wake);
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
}
