//! Who has connected and not joined: so many at a time, and whoever says nothing makes room.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use rustix::net::{Shutdown, shutdown};

/// Who has been silent for so long makes room for another.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Those who are heard.
#[derive(Debug)]
pub(super) struct Guests {
    most: usize,
    /// In the order in which they came, or were heard.
    seats: Mutex<VecDeque<Weak<Seat>>>,
}

/// A guest's place among them; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    socket: Arc<OwnedFd>,
    since: Instant,
    /// It has said something since it came.
    heard: bool,
}

impl Guests {
    pub fn new(most: usize) -> Self {
        Self { most, seats: Mutex::default() }
    }

    /// A place for who has just connected; `None`: there is none.
    ///
    /// spec: CHN-4.5
    pub fn seat(&self, socket: &Arc<OwnedFd>) -> Option<Arc<Seat>> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        if seats.len() >= self.most {
            let eldest = seats.front().and_then(Weak::upgrade);
            let silent = eldest.filter(|eldest| eldest.since.elapsed() >= SILENCE)?;
            // Whoever watches the connection finds its end. It fails when the guest has hung up itself.
            let _ = shutdown(&silent.socket, Shutdown::Both);
            seats.pop_front();
        }
        Some(put(&mut seats, socket, false))
    }

    /// Hangs up on all, whose connections are then watched no more.
    pub fn send_away(&self) {
        let seats = std::mem::take(&mut *self.seats.lock().unwrap_or_else(PoisonError::into_inner));
        for seat in seats.iter().filter_map(Weak::upgrade) {
            let _ = shutdown(&seat.socket, Shutdown::Both);
        }
    }

    /// Who holds `seat` has said something, and may take as long again for the rest: it makes its memory, say. Once,
    /// or it could stay for as long as it likes.
    pub fn renew(&self, seat: Arc<Seat>) -> Arc<Seat> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seats.iter().position(|one| one.as_ptr() == Arc::as_ptr(&seat));
        match at {
            Some(at) if !seat.heard => {
                seats.remove(at);
                put(&mut seats, &seat.socket, true)
            }
            // Or it was sent away meanwhile, and finds out.
            _ => seat,
        }
    }
}

fn put(seats: &mut VecDeque<Weak<Seat>>, socket: &Arc<OwnedFd>, heard: bool) -> Arc<Seat> {
    let seat = Arc::new(Seat { socket: Arc::clone(socket), since: Instant::now(), heard });
    seats.push_back(Arc::downgrade(&seat));
    seat
}
